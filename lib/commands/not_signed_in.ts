/**
 * The error of those who have to log in first. It stands alone since the entry file needs it at every start.
 * @module
 */

export class NotSignedInError extends Error {
  override readonly name = "NotSignedInError";
}
