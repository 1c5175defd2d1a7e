import { type PriceBook, parsePriceBook } from "./price-book.ts";
import alibabaFcAda from "./price-books/alibaba-fc-ada.json" with { type: "json" };
import alibabaFcTesla from "./price-books/alibaba-fc-tesla.json" with { type: "json" };
import awsLambdaArm from "./price-books/aws-lambda-arm.json" with { type: "json" };
import awsLambdaX86 from "./price-books/aws-lambda-x86.json" with { type: "json" };
import googleCloudRun from "./price-books/google-cloud-run.json" with { type: "json" };
import kubernetesM7i from "./price-books/kubernetes-m7i.json" with { type: "json" };
import remoePaper from "./price-books/remoe-paper.json" with { type: "json" };

const FILES = [awsLambdaX86, awsLambdaArm, alibabaFcTesla, alibabaFcAda, googleCloudRun, kubernetesM7i, remoePaper];

/** The built-in price books by name. */
export const PRICE_BOOKS: ReadonlyMap<string, PriceBook> = new Map(
  FILES.map((file) => [file.name, parsePriceBook(file, file.name)]),
);

export const DEFAULT_PRICE_BOOK = "aws-lambda-x86";
