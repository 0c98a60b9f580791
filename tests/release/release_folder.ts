// A release on a loopback server: one archive with a tiny program, or a real one, the checksums, and the install script as published.
import { join } from "node:path";
import { writeInstallers } from "../../build/release/installers.ts";
import { archiveName, measure } from "../../build/release/manifest.ts";
import { runProgram } from "../helpers/program.ts";

/** The target that the archives of the tests are for. */
export const TARGET = Deno.build.arch === "aarch64" ? "linux-arm64" : "linux-x64";

/** What is answered in place of a file: nothing yet, an error, or the first bytes of it before the connection breaks. */
export type Trouble = "hangs" | "missing" | { readonly cutAfter: number };

/** A folder of downloads and its server. */
export class ReleaseFolder implements AsyncDisposable {
  /** The folder. */
  readonly path: string;
  /** What goes wrong with which file. */
  readonly troubles = new Map<string, Trouble>();
  /** Names of the files that were asked for. */
  readonly asked: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();

  constructor(path: string) {
    this.path = path;
    const options = { hostname: "127.0.0.1", port: 0, signal: this.#end.signal, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  /** The address of the folder. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The published script. */
  get script(): string {
    return join(this.path, "install.sh");
  }

  /**
   * Packs an archive of these files, and writes checksums and scripts anew.
   *
   * @param files Content of each by its path in the archive; a string is written as a program that may be run.
   */
  async publish(
    program: string,
    files: Readonly<Record<string, string | { readonly copyOf: string }>>,
    publicKey = "",
  ): Promise<void> {
    const content = await Deno.makeTempDir({ dir: this.path });
    for (const [path, source] of Object.entries(files)) {
      const file = join(content, path);
      await Deno.mkdir(join(file, ".."), { recursive: true });
      if (typeof source === "string") await Deno.writeTextFile(file, source, { mode: 0o755 });
      else await Deno.copyFile(source.copyOf, file);
    }
    const archive = archiveName(program, TARGET);
    // The same files make the same bytes: a signature of the checksums is good for the next archive of them.
    await must("tar", ["--sort=name", "--mtime=@0", "-czf", join(this.path, archive), "-C", content, "."]);
    await Deno.remove(content, { recursive: true });
    const { sha256 } = await measure(join(this.path, archive));
    await Deno.writeTextFile(
      join(this.path, "SHA256SUMS"),
      `${"0".repeat(64)}  another.zip\n${sha256}  ${archive}\n`,
    );
    await writeInstallers(this.path, { url: this.url, publicKey });
  }

  /** Makes a key, signs the checksums with it, and returns its public part. */
  async sign(): Promise<string> {
    const [publicFile, secretFile] = [join(this.path, "key.pub"), join(this.path, "key.sec")];
    await must("minisign", ["-G", "-W", "-f", "-p", publicFile, "-s", secretFile]);
    await must("minisign", ["-S", "-s", secretFile, "-m", join(this.path, "SHA256SUMS")]);
    return (await Deno.readTextFile(publicFile)).trimEnd().split("\n").at(-1)!;
  }

  async #answer(request: Request): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    this.asked.push(name);
    const trouble = this.troubles.get(name);
    if (trouble === "missing") return new Response("no", { status: 404 });
    const bytes = await Deno.readFile(join(this.path, name));
    const headers = { "content-length": String(bytes.length) };
    if (trouble === undefined) return new Response(bytes, { headers });
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, trouble === "hangs" ? 10 : trouble.cutAfter));
      },
      pull(controller) {
        // Once the first bytes were taken.
        if (trouble !== "hangs") controller.close();
        else return new Promise(() => {});
      },
    }, { highWaterMark: 0 });
    return new Response(body, { headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#server.finished;
  }
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(command, args);
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
}
