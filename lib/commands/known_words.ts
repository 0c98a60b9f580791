// What a Tab at the shell offers for each kind of value, from the profile alone.
import type { Sources } from "../completion/complete.ts";

/** For each placeholder in the command tree: `<user>`, `<account>`, … */
export const KNOWN_WORDS: Sources = {};
