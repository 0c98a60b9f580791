/**
 * Folders that a test may fill, gone when the test ends.
 * @module
 */

/** A temporary folder; leaving the scope of a `using` declaration removes it with all it holds. */
export interface TempFolder extends Disposable {
  /** Absolute path, without a separator at its end. */
  readonly path: string;
}

/**
 * Makes an empty folder in the system's temporary place: `using folder = tempFolder();`
 *
 * @param prefix Start of the folder's name, to tell leftovers apart.
 */
export function tempFolder(prefix = "mini-chat-test-"): TempFolder {
  const path = Deno.makeTempDirSync({ prefix });
  return {
    path,
    [Symbol.dispose]() {
      try {
        Deno.removeSync(path, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
}
