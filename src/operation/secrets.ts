/**
 * Secrets in text that is logged. Nothing that logs is given any: headers and queries are not told, and
 * messages name URLs without credentials. This is for what slips through all the same.
 */

/** User and password of a URL. */
const CREDENTIALS = /:\/\/[^\s/?#]*@/g;
/** What follows the name of a scheme in an `Authorization`. */
const AUTHORIZATION = /\b(Bearer|Basic) +[^\s"',]+/gi;

/** `text` with an ellipsis in place of credentials. */
export function withoutSecrets(text: string): string {
  return text.replace(CREDENTIALS, '://…@').replace(AUTHORIZATION, '$1 …');
}
