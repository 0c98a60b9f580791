// A registry of npm packages on loopback: as much of it as `npm install` and `npx` ask for.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { NpmPackage } from "../../build/release/npm.ts";
import { runProgram } from "../helpers/program.ts";

export class NpmRegistry implements AsyncDisposable {
  readonly #packages: ReadonlyMap<string, NpmPackage>;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();

  constructor(packages: readonly NpmPackage[]) {
    this.#packages = new Map(packages.map((it) => [it.about.name, it]));
    const options = { hostname: "127.0.0.1", port: 0, signal: this.#end.signal, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  async #answer(request: Request): Promise<Response> {
    const [name = "", file] = new URL(request.url).pathname.slice(1).split("/-/");
    const found = this.#packages.get(name);
    if (found === undefined) return new Response("{}", { status: 404 });
    const bytes = await Deno.readFile(found.archive);
    if (file !== undefined) return new Response(bytes);
    const { version } = found.about;
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    const dist = { tarball: `${this.url}${name}/-/${basename(found.archive)}`, integrity };
    const versions = { [version]: { ...found.about, dist } };
    return Response.json({ name, "dist-tags": { latest: version }, versions });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#server.finished;
  }
}

/** Runs npm or npx with this registry, and a home and a cache of its own in a folder, which is also where it installs. */
export function runNpm(
  command: "npm" | "npx",
  args: readonly string[],
  { registry, folder }: { readonly registry: NpmRegistry; readonly folder: string },
) {
  const env = {
    HOME: folder,
    npm_config_cache: `${folder}/.npm`,
    npm_config_registry: registry.url,
    npm_config_update_notifier: "false",
    npm_config_fund: "false",
    npm_config_audit: "false",
  };
  return runProgram(command, args, { cwd: folder, env });
}
