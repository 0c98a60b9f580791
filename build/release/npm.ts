/**
 * The npm packages of a release, made from its manifest and its archives: one for each program, and one for each machine that it
 * runs on. npm installs of those only the one whose `os` and `cpu` fit; nothing runs while it installs.
 *
 * `deno task npm RELEASE OUTPUT` writes them as the archives that `npm publish` takes.
 * @module
 */
import { join } from "node:path";
import { PROGRAMS } from "../compile.ts";
import { complain, PROJECT_FOLDER, runTool, say } from "../tool.ts";
import { run, unpack } from "./archives.ts";
import { describe, githubProject, homepage } from "./catalogues.ts";
import {
  checkFiles,
  executableName,
  findFile,
  readManifest,
  type Release,
  type ReleaseFile,
} from "./manifest.ts";

/** A package that was packed. */
export interface NpmPackage {
  /** Path of its archive. */
  readonly archive: string;
  /** What its `package.json` says. */
  readonly about: PackageAbout;
}

interface PackageAbout {
  readonly name: string;
  readonly version: string;
  readonly [field: string]: unknown;
}

/** Node's names of the systems. */
const SYSTEMS: Readonly<Record<string, string>> = { linux: "linux", macos: "darwin", windows: "win32" };

/** Oldest Node that the launcher was run with. */
const OLDEST_NODE = "6.9";

/**
 * Packs all packages of a release.
 *
 * @param folder The release: `release.json` and the archives that it names.
 * @param output Folder for the packages, made when missing.
 * @returns Those for the machines before those that need them: the order to publish them in.
 * @throws {Error} an archive is not that of the manifest.
 */
export async function packNpmPackages(folder: string, output: string): Promise<NpmPackage[]> {
  const release = await readManifest(folder);
  await checkFiles(folder, release);
  await Deno.mkdir(output, { recursive: true });
  const scratch = await Deno.makeTempDir({ prefix: "mini-chat-npm-" });
  const packages: NpmPackage[] = [];
  try {
    for (const { name } of PROGRAMS) {
      const files = release.files.filter(({ program }) => program === name);
      for (const file of files) packages.push(await packMachine(folder, release, file, scratch, output));
      const [first] = files;
      if (first) {
        packages.push(await packProgram(release, files, join(scratch, packageName(first)), scratch, output));
      }
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return packages.sort((a, b) => Number("bin" in a.about) - Number("bin" in b.about));
}

/** The package for one machine: the executable alone. */
async function packMachine(
  folder: string,
  release: Release,
  file: ReleaseFile,
  scratch: string,
  output: string,
): Promise<NpmPackage> {
  const { program, target } = file;
  const [system = "", cpu = ""] = target.split("-");
  const content = join(scratch, packageName(file)); // a name like that of an archive would be taken for one
  await unpack(join(folder, file.file), content);
  const about = {
    name: packageName(file),
    ...common(release),
    description: `${program} for ${target}; install the package ${program}`,
    os: [SYSTEMS[system]],
    cpu: [cpu],
    ...(system === "linux" && { libc: ["glibc"] }),
    preferUnplugged: true, // Yarn must not leave it in the archive
    files: [executableName(program, target)],
  };
  return await pack(content, about, output);
}

/** The package that people name: the launcher, and what it chooses among. `unpacked` is the content of any archive of the program. */
async function packProgram(
  release: Release,
  files: readonly ReleaseFile[],
  unpacked: string,
  scratch: string,
  output: string,
): Promise<NpmPackage> {
  const { program } = files[0]!;
  const content = join(scratch, program);
  await Deno.mkdir(join(content, "man"), { recursive: true });
  await Deno.copyFile(join(PROJECT_FOLDER, "LICENSE"), join(content, "LICENSE"));
  const page = join("man", `${program}.1`);
  await Deno.copyFile(join(unpacked, page), join(content, page));
  await Deno.copyFile(new URL("npm/launch.js", import.meta.url), join(content, "launch.js"));
  await Deno.writeTextFile(join(content, "README.md"), readme(release, program));
  const about = {
    name: program,
    ...common(release),
    description: describe(program),
    keywords: ["chat", "terminal"],
    bin: { [program]: "launch.js" },
    man: [page],
    engines: { node: `>=${OLDEST_NODE}` },
    optionalDependencies: Object.fromEntries(files.map((file) => [packageName(file), release.version])),
    files: ["launch.js", "man"],
  };
  return await pack(content, about, output);
}

function packageName({ program, target }: ReleaseFile): string {
  return `${program}-${target}`;
}

/** What all packages say alike. */
function common(release: Release) {
  const github = githubProject(release.url);
  return {
    version: release.version,
    license: "MIT",
    homepage: homepage(release),
    ...(github !== undefined && { repository: { type: "git", url: `git+${github}.git` } }),
    gitHead: release.commit,
  };
}

function readme(release: Release, program: string): string {
  const isThere = (target: string) => findFile(release, program, target) !== undefined;
  const machines = ["linux-x64", "linux-arm64", "macos-x64", "macos-arm64", "windows-x64"].filter(isThere);
  return `# ${program}

${describe(program)}.

    npx ${program} --help

One executable, which needs no Node.js of its own: npm brings that for your machine (${
    machines.join(", ")
  }; on Linux with glibc) and runs
nothing while it installs. Do not leave it out with \`--omit=optional\`.

More: ${homepage(release)}
`;
}

/** Writes `package.json` into a folder and packs what its `files` name. */
async function pack(content: string, about: PackageAbout, output: string): Promise<NpmPackage> {
  await Deno.writeTextFile(join(content, "package.json"), JSON.stringify(about, null, 2) + "\n");
  const said = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", output], {
    cwd: content,
  });
  const packed = Object.values(JSON.parse(said) as Record<string, { filename: string }>);
  return { archive: join(output, packed[0]!.filename), about };
}

if (import.meta.main) {
  const [folder, output] = Deno.args;
  if (folder === undefined || output === undefined) {
    complain(
      "Usage: deno task npm RELEASE OUTPUT: the folder of the release, and one to write the packages to",
    );
    Deno.exit(2);
  }
  await runTool(async () => {
    for (const { archive } of await packNpmPackages(folder, output)) say(archive);
  });
}
