/**
 * A self-signed certificate for localhost and 127.0.0.1 with its key, valid for a century. It protects nothing: it was
 * made for tests with
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj "/CN=remoe test" \\
 *       -addext "subjectAltName=DNS:localhost,IP:127.0.0.1"
 */
export const TEST_CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUID60zDIoWwvNue5
h+C6DgoqAV4VecdmgITb4E9DyZ+hRANCAASZzq/MxrPYj63NFTE9um87td69K4C9
TMGY5XckRMrG+YJo4FwEZ0HZnM67czbN0jkHfdYq1XkSvpWfidpB81EN
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBnTCCAUOgAwIBAgIUfh6EoMgmodr3Dbpxm/DtHSMRvfcwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKcmVtb2UgdGVzdDAgFw0yNjExMjIwNTQzNTRaGA8yMTI2MTAy
OTA1NDM1NFowFTETMBEGA1UEAwwKcmVtb2UgdGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABJnOr8zGs9iPrc0VMT26bzu13r0rgL1MwZjldyREysb5gmjgXARn
QdmczrtzNs3SOQd91irVeRK+lZ+J2kHzUQ2jbzBtMB0GA1UdDgQWBBTANuettYpE
DGt4WdkH81B1IXt9uzAfBgNVHSMEGDAWgBTANuettYpEDGt4WdkH81B1IXt9uzAP
BgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAKBggq
hkjOPQQDAgNIADBFAiBgc0q02kFuxU/xKPevyP9wSY++LLocYpX21QZgr82gvgIh
AMR0Ni3O0CZrEkplMlpSrH+nsDAfjljzPiNwuLdJWNyQ
-----END CERTIFICATE-----
`,
} as const;
