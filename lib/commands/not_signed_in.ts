/**
 * The error of those who have to log in first. It stands alone since the entry file needs it at every start.
 * @module
 */

/** Not signed in: the person has to log in first; a script ends with a code of its own. */
export class NotSignedInError extends Error {
  override readonly name = "NotSignedInError";
}
