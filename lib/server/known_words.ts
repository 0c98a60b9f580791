// What a Tab at the shell offers for each kind of value, from the data folder.
import type { Sources } from "../completion/complete.ts";

/** For each placeholder in the command tree: `<account>`, `<code>`, … */
export const KNOWN_WORDS: Sources = {};
