/**
 * The version of the program, kept in `deno.json` alone, and what a compiled program knows of its making.
 * @module
 */
import config from "../deno.json" with { type: "json" };

/** Semantic version, such as `1.2.3`. */
export const VERSION: string = config.version;

/** What `build/compile.ts` writes into an executable, as a global of the name {@linkcode BUILD_NAME}. */
export interface Build {
  readonly version: string;
  /** Hash of the commit, with `-modified` behind it if the source was no longer that; null if nobody knows. */
  readonly commit: string | null;
  /** Machine that it is for, such as `linux-x64`. */
  readonly target: string;
}

/** Name of the global. */
export const BUILD_NAME = "MINI_CHAT_BUILD";

/** One line of JSON: which program this is, for scripts and reports. Run from source, `commit` and `target` are null. */
export function describeBuild(name: string): string {
  const { commit = null, target = null } = Reflect.get(globalThis, BUILD_NAME) as Build | undefined ?? {};
  return JSON.stringify({ name, version: VERSION, commit, deno: Deno.version.deno, target });
}
