/**
 * Packages for Debian and its kin, made of a release's archives for Linux: `mini-chat-client_amd64.deb` and so on.
 *
 * Rules: Debian's policy manual, version 4.6.2; `build/release/debian/README.md` says what a package does on a machine.
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { PROJECT_FOLDER } from "../tool.ts";
import { CLIENT_PAGE, SERVER_PAGE } from "../words/page_texts.ts";
import { filesIn, run, unpack } from "./archives.ts";
import { executableName, type Release } from "./manifest.ts";

/** Debian's name of the machine of each of our targets. */
const ARCHITECTURES: Readonly<Record<string, string>> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

/** What lies in our folder, and where a package has it. All of it is the server's. */
const SERVER_FILES: Readonly<Record<string, string>> = {
  "mini-chat-server.service": "lib/systemd/system/mini-chat-server.service",
  "mini-chat-backup.service": "lib/systemd/system/mini-chat-backup.service",
  "mini-chat-backup.timer": "lib/systemd/system/mini-chat-backup.timer",
  "mini-chat-server.sysusers": "usr/lib/sysusers.d/mini-chat-server.conf",
  "mini-chat-server.default": "etc/default/mini-chat-server",
  "mini-chat-admin": "usr/sbin/mini-chat-admin",
  "mini-chat-admin.8": "usr/share/man/man8/mini-chat-admin.8",
};
const SERVER_SCRIPTS = ["postinst", "prerm", "postrm"];

const SOURCES = join(PROJECT_FOLDER, "build", "release", "debian");

/** What each package is, beyond its name. */
const ABOUT: Readonly<
  Record<string, { readonly summary: string; readonly text: readonly string[]; readonly depends: string }>
> = {
  "mini-chat-client": {
    summary: CLIENT_PAGE.about,
    text: [
      "Messages reach people whether or not they are online, exactly once. Two",
      "people can also talk live, directly from machine to machine, and send",
      "e-mail, all from one prompt.",
    ],
    depends: "",
  },
  "mini-chat-server": {
    summary: SERVER_PAGE.about,
    text: [
      "For people who keep their own server: accounts, mailboxes and presence in",
      "one program, secure without any set-up. It runs as a service with a user",
      "of its own and few rights; mini-chat-admin looks after it.",
    ],
    depends: ", systemd | systemd-standalone-sysusers",
  },
};

/** What packages are made of. */
export interface DebianOptions {
  /** Folder of the release, with its archives; the packages are written there too. */
  readonly folder: string;
  readonly release: Release;
  /** When the commit was made: the time of all that is in a package. */
  readonly committedAt: Date;
  /** Who answers for the packages, as `NAME <ADDRESS>`. */
  readonly maintainer: string;
  /** Packs in seconds what takes a minute by default, and makes it larger by half; for tests. */
  readonly isQuick?: boolean;
}

/** No version in it, so that the address of the latest one stays the same. */
export function debianName(program: string, target: string): string | undefined {
  const architecture = ARCHITECTURES[target];
  return architecture === undefined ? undefined : `${program}_${architecture}.deb`;
}

/**
 * Makes a package of each archive for Linux. The same archives make the same bytes.
 *
 * @returns Names of the packages.
 * @throws {Error} a program is missing or fails; the message names it.
 */
export async function makeDebianPackages(options: DebianOptions): Promise<string[]> {
  const made: string[] = [];
  for (const { file, program, target } of options.release.files) {
    const name = debianName(program, target);
    if (name === undefined) continue;
    const scratch = await Deno.makeTempDir({ prefix: "mini-chat-debian-" });
    try {
      const archive = join(scratch, "archive");
      await unpack(join(options.folder, file), archive);
      await makePackage(program, target, { archive, tree: join(scratch, "tree"), name }, options);
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
    made.push(name);
  }
  return made;
}

async function makePackage(
  program: string,
  target: string,
  { archive, tree, name }: { readonly archive: string; readonly tree: string; readonly name: string },
  { folder, release, committedAt, maintainer, isQuick = false }: DebianOptions,
): Promise<void> {
  const isServer = program === "mini-chat-server";
  const version = debianVersion(release.version);
  const doc = `usr/share/doc/${program}`;
  await place(join(archive, executableName(program, target)), tree, `usr/bin/${program}`);
  const man = `usr/share/man/man1/${program}.1`;
  await place(join(archive, "man", `${program}.1`), tree, man);
  for (
    const [from, to] of [
      [`bash/${program}`, `bash-completion/completions/${program}`],
      [`zsh/_${program}`, `zsh/vendor-completions/_${program}`],
      [`fish/${program}.fish`, `fish/vendor_completions.d/${program}.fish`],
    ] as const
  ) await place(join(archive, "completions", from), tree, `usr/share/${to}`);
  await place(join(PROJECT_FOLDER, "CHANGELOG.md"), tree, `${doc}/changelog`);
  await write(tree, `${doc}/changelog.Debian`, changelog(program, version, { maintainer, committedAt }));
  await write(
    tree,
    `${doc}/copyright`,
    copyright(await Deno.readTextFile(join(archive, "LICENSE")), maintainer),
  );
  await write(tree, `usr/share/lintian/overrides/${program}`, overrides(program));
  if (isServer) {
    for (const [from, to] of Object.entries(SERVER_FILES)) await place(join(SOURCES, from), tree, to);
  }
  const pages = [
    `${doc}/changelog`,
    `${doc}/changelog.Debian`,
    man,
    ...isServer ? [SERVER_FILES["mini-chat-admin.8"]!] : [],
  ];
  await run("gzip", ["-9n", ...pages.map((page) => join(tree, page))]);

  const files = await filesIn(tree, "");
  let sums = "";
  let bytes = 0;
  for (const file of files) {
    const content = await Deno.readFile(join(tree, file));
    bytes += content.length;
    sums += `${createHash("md5").update(content).digest("hex")}  ${file}\n`;
  }
  await write(tree, "DEBIAN/md5sums", sums);
  const size = Math.ceil(bytes / 1024);
  await write(tree, "DEBIAN/control", control(program, { version, target, maintainer, size }));
  if (isServer) {
    await write(tree, "DEBIAN/conffiles", `/${SERVER_FILES["mini-chat-server.default"]}\n`);
    for (const script of SERVER_SCRIPTS) await place(join(SOURCES, script), tree, `DEBIAN/${script}`);
  }
  const programs = [
    `usr/bin/${program}`,
    ...isServer ? ["usr/sbin/mini-chat-admin", ...SERVER_SCRIPTS.map((it) => `DEBIAN/${it}`)] : [],
  ];
  await run("chmod", ["-R", "u=rwX,go=rX", tree]); // X: of folders alone, as no file may be run yet
  await run("chmod", ["755", ...programs.map((file) => join(tree, file))]);
  const epoch = String(committedAt.getTime() / 1000);
  const packing = [
    "--root-owner-group",
    ...isQuick ? ["-Zgzip", "-z1"] : ["-Zxz"],
    "--build",
    tree,
    join(folder, name),
  ];
  await run("dpkg-deb", packing, { env: { SOURCE_DATE_EPOCH: epoch } });
}

/** `1.0.0-rc.1` comes before `1.0.0`, which Debian writes with a tilde. The last number is the packaging's. */
function debianVersion(version: string): string {
  return `${version.replace("-", "~")}-1`;
}

function control(
  program: string,
  { version, target, maintainer, size }: {
    readonly version: string;
    readonly target: string;
    readonly maintainer: string;
    readonly size: number;
  },
): string {
  const { summary, text, depends } = ABOUT[program]!;
  // The glibc that Deno's base executable asks for.
  return `Package: ${program}
Version: ${version}
Architecture: ${ARCHITECTURES[target]}
Maintainer: ${maintainer}
Installed-Size: ${size}
Depends: libc6 (>= 2.27), libgcc-s1${depends}
Section: net
Priority: optional
Description: ${summary.replace(/^an? /, "")}
${text.map((line) => ` ${line}\n`).join("")}`;
}

function changelog(
  program: string,
  version: string,
  { maintainer, committedAt }: Pick<DebianOptions, "maintainer" | "committedAt">,
): string {
  const date = committedAt.toUTCString().replace("GMT", "+0000");
  return `${program} (${version}) stable; urgency=medium\n\n  * The release of that version; changelog.gz says what is new in it.\n\n -- ${maintainer}  ${date}\n`;
}

/** Of the licence's text, in the form that tools read (DEP 5). */
function copyright(license: string, maintainer: string): string {
  const [, owner = "Mini-Chat contributors"] = /^Copyright \(c\) (.+)$/m.exec(license) ?? [];
  const terms = license.slice(license.indexOf("Permission is hereby")).trim().split("\n")
    .map((line) => line === "" ? " ." : ` ${line}`).join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: mini-chat
Upstream-Contact: ${maintainer}
Comment: The executable also holds Deno (Expat), V8 (BSD-3-clause) and SQLite (public domain), and packages from npm under
 Expat, ISC, 0BSD, BSD-2-clause, BSD-3-clause and Apache-2.0, which deno.lock of the source names.

Files: *
Copyright: ${owner}
License: Expat

License: Expat
${terms}
`;
}

/** What lintian is told that it finds, and why that is so. */
function overrides(program: string): string {
  return `# Deno's base executable holds its own libraries, as it is one file for every Linux.
${program}: embedded-library * [usr/bin/${program}]
# Nobody uploads this to Debian.
${program}: initial-upload-closes-no-bugs *
`;
}

async function place(from: string, tree: string, to: string): Promise<void> {
  await Deno.mkdir(join(tree, to, ".."), { recursive: true });
  await Deno.copyFile(from, join(tree, to));
  await Deno.chmod(join(tree, to), 0o644);
}

async function write(tree: string, to: string, text: string): Promise<void> {
  await Deno.mkdir(join(tree, to, ".."), { recursive: true });
  await Deno.writeTextFile(join(tree, to), text);
}
