/**
 * Container images of the server for Linux, made without a daemon and without another image: of a release's archive, and of the two
 * packages of Debian that the executable needs. A file is an OCI image layout in a tar file that `docker load` takes too.
 *
 * Specification: https://github.com/opencontainers/image-spec, version 1.0. As a program: `deno task image FOLDER`
 * for the folder of a release, on a Debian.
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { DEFAULT_PORT } from "../../lib/protocol/limits.ts";
import { PROJECT_FOLDER, runTool, say } from "../tool.ts";
import { run, unpack } from "./archives.ts";
import { checkFiles, findFile, readManifest, type Release } from "./manifest.ts";

/** Docker's and Debian's name of the machine of each of our targets. */
const ARCHITECTURES: Readonly<Record<string, string>> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

const PROGRAM = "mini-chat-server";

/** All that the executable links to. The roots of web certificates are in it, and it needs no time zones. */
const PACKAGES = ["libc6", "libgcc-s1"];

/** A number instead of a name: Kubernetes can tell that it is not root. */
const USER = 65_532;

const SECOND_NS = 1_000_000_000;

/** What images are made of. */
export interface ImageOptions {
  /** Folder of the release, with its archives; the image is written there too. */
  readonly folder: string;
  readonly release: Release;
  /** When the commit was made: the time of all that is in the image. */
  readonly committedAt: Date;
  /** Key of {@linkcode ARCHITECTURES}. */
  readonly target: string;
}

/** No version in it, so that the address of the latest one stays the same. */
function imageName(target: string): string {
  return `${PROGRAM}-image-${target}.tar`;
}

/**
 * Makes the image for one target. The same archive and the same packages make the same bytes.
 *
 * @returns Its path.
 * @throws {Error} the release has no archive for it, a program is missing, or a package cannot be fetched.
 */
export async function makeImage({ folder, release, committedAt, target }: ImageOptions): Promise<string> {
  const file = findFile(release, PROGRAM, target);
  const architecture = ARCHITECTURES[target];
  if (file === undefined || architecture === undefined) {
    throw new Error(`Cannot make an image for ${target}: there is no archive`);
  }
  const scratch = await Deno.makeTempDir({ prefix: "mini-chat-image-" });
  try {
    const tree = join(scratch, "tree");
    await fillTree(tree, join(folder, file.file), architecture, scratch);
    const layer = join(scratch, "layer.tar");
    await packLayer(tree, layer, committedAt);
    const diffId = digestOf(await Deno.readFile(layer));
    await run("gzip", ["-n", layer]);

    const layout = join(scratch, "layout");
    await Deno.mkdir(join(layout, "blobs", "sha256"), { recursive: true });
    const packed = await addBlob(layout, await Deno.readFile(`${layer}.gz`), "layer.v1.tar+gzip");
    const config = await addBlob(
      layout,
      toJson(configOf(release, { architecture, committedAt, diffId })),
      "config.v1+json",
    );
    const manifest = await addBlob(
      layout,
      toJson({ schemaVersion: 2, mediaType: mediaType("manifest.v1+json"), config, layers: [packed] }),
      "manifest.v1+json",
    );
    const annotations = { "org.opencontainers.image.ref.name": release.version };
    const platform = { architecture, os: "linux" };
    await Deno.writeFile(
      join(layout, "index.json"),
      toJson({ schemaVersion: 2, manifests: [{ ...manifest, platform, annotations }] }),
    );
    await Deno.writeFile(join(layout, "oci-layout"), toJson({ imageLayoutVersion: "1.0.0" }));
    // Not of the specification: what `docker load` looks for.
    const paths = { Config: blobPath(config.digest), Layers: [blobPath(packed.digest)] };
    await Deno.writeFile(
      join(layout, "manifest.json"),
      toJson([{ ...paths, RepoTags: [`${PROGRAM}:${release.version}`] }]),
    );
    const image = join(folder, imageName(target));
    await pack(image, committedAt, [
      "--mode=u=rwX,go=rX",
      `--directory=${layout}`,
      "blobs",
      "index.json",
      "manifest.json",
      "oci-layout",
    ]);
    return image;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** What the container sees: the executable, its libraries, and nothing to log in with. */
async function fillTree(tree: string, archive: string, architecture: string, scratch: string): Promise<void> {
  for (const folder of ["dev", "etc", "proc", "sys", "tmp", "data", "usr/bin", `usr/share/doc/${PROGRAM}`]) {
    await Deno.mkdir(join(tree, folder), { recursive: true });
  }
  for (const file of await fetchPackages(architecture, join(scratch, "packages"))) {
    await run("dpkg-deb", ["-x", file, tree]);
  }
  const content = join(scratch, "content");
  await unpack(archive, content);
  await Deno.copyFile(join(content, PROGRAM), join(tree, "usr/bin", PROGRAM));
  await Deno.copyFile(join(content, "LICENSE"), join(tree, `usr/share/doc/${PROGRAM}`, "LICENSE"));
  await Deno.writeTextFile(
    join(tree, "etc/passwd"),
    `root:x:0:0::/:/\nmini-chat:x:${USER}:${USER}::/data:/\n`,
  );
  await Deno.writeTextFile(join(tree, "etc/group"), `root:x:0:\nmini-chat:x:${USER}:\n`);
  await run("chmod", ["-R", "u=rwX,go=rX", tree]);
  await run("chmod", ["755", join(tree, "usr/bin", PROGRAM)]);
  await run("chmod", ["1777", join(tree, "tmp")]);
  await run("chmod", ["700", join(tree, "data")]);
}

/** Downloads the packages as apt does, signatures and all, from where this machine has its own; for any machine's architecture. */
async function fetchPackages(architecture: string, folder: string): Promise<string[]> {
  const sources = join(folder, "sources");
  for (const part of [sources, join(folder, "state"), join(folder, "cache")]) {
    await Deno.mkdir(part, { recursive: true });
  }
  for (const file of ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]) {
    await Deno.copyFile(file, join(sources, basename(file).replace("sources.list", "debian.list"))).catch(
      () => {},
    );
  }
  const apt = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    "Dir::Etc::sourcelist=/dev/null",
    `Dir::Etc::sourceparts=${sources}`,
    `Dir::State=${join(folder, "state")}`,
    `Dir::Cache=${join(folder, "cache")}`,
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  await run("apt-get", [...apt, "-q", "update"]);
  await run("apt-get", [...apt, "-q", "download", ...PACKAGES], { cwd: folder });
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  return names.filter((name) => name.endsWith(".deb")).sort().map((name) => join(folder, name));
}

/** All of it is root's, who does not run here, but the folder of the data. */
async function packLayer(tree: string, layer: string, committedAt: Date): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(tree))).map(({ name }) => name).sort();
  await pack(layer, committedAt, [`--directory=${tree}`, ...names.filter((name) => name !== "data")]);
  await pack(layer, committedAt, [`--directory=${tree}`, "data"], { action: "--append", owner: USER });
}

async function pack(
  archive: string,
  committedAt: Date,
  args: readonly string[],
  { action = "--create", owner = 0 }: { readonly action?: string; readonly owner?: number } = {},
): Promise<void> {
  await run("tar", [
    action,
    `--file=${archive}`,
    "--format=ustar",
    "--sort=name",
    `--mtime=@${committedAt.getTime() / 1000}`,
    `--owner=${owner}`,
    `--group=${owner}`,
    "--numeric-owner",
    ...args,
  ]);
}

function configOf(
  release: Release,
  { architecture, committedAt, diffId }: {
    readonly architecture: string;
    readonly committedAt: Date;
    readonly diffId: string;
  },
): unknown {
  const created = committedAt.toISOString();
  return {
    created,
    architecture,
    os: "linux",
    config: {
      User: `${USER}:${USER}`,
      ExposedPorts: { [`${DEFAULT_PORT}/tcp`]: {} },
      Env: ["PATH=/usr/bin", "MINI_CHAT_DATA=/data"],
      Entrypoint: [`/usr/bin/${PROGRAM}`],
      Volumes: { "/data": {} },
      WorkingDir: "/data",
      StopSignal: "SIGTERM",
      Labels: {
        "org.opencontainers.image.title": PROGRAM,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.commit,
        "org.opencontainers.image.licenses": "MIT",
      },
      // Of Docker's images; the specification has none, and lets other fields be.
      Healthcheck: {
        Test: ["CMD", `/usr/bin/${PROGRAM}`, "healthcheck"],
        Interval: 30 * SECOND_NS,
        Timeout: 10 * SECOND_NS,
        StartPeriod: 60 * SECOND_NS,
        Retries: 3,
      },
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created, created_by: "build/release/image.ts" }],
  };
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

async function addBlob(layout: string, bytes: Uint8Array, type: string): Promise<Blob> {
  const digest = digestOf(bytes);
  await Deno.writeFile(join(layout, blobPath(digest)), bytes);
  return { mediaType: mediaType(type), digest, size: bytes.length };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function mediaType(type: string): string {
  return `application/vnd.oci.image.${type}`;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function toJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

async function main([folder]: readonly string[]): Promise<void> {
  if (folder === undefined || folder.startsWith("-")) {
    throw new Error("Give the folder of a release: deno task release makes one");
  }
  const release = await readManifest(folder);
  await checkFiles(folder, release);
  const seconds = await run("git", ["-C", PROJECT_FOLDER, "log", "-1", "--format=%ct", release.commit]);
  for (const target of Object.keys(ARCHITECTURES)) {
    if (findFile(release, PROGRAM, target) === undefined) continue;
    say(await makeImage({ folder, release, committedAt: new Date(Number(seconds) * 1000), target }));
  }
}

if (import.meta.main) await runTool(() => main(Deno.args));
