/**
 * The version of the program, kept in `deno.json` alone.
 * @module
 */
import config from "../deno.json" with { type: "json" };

/** Semantic version, such as `1.2.3`. */
export const VERSION: string = config.version;
