// Files for Homebrew and Scoop, made from release.json. Nobody's tap or bucket is named: who has one copies them there.
// Rules: https://docs.brew.sh/Formula-Cookbook, and the schema.json of Scoop.
import { join } from "node:path";
import { CLIENT_PAGE, SERVER_PAGE } from "../words/page_texts.ts";
import { downloadUrl, executableName, findFile, type Release } from "./manifest.ts";

const ABOUT: Readonly<Record<string, string>> = {
  "mini-chat-client": CLIENT_PAGE.about,
  "mini-chat-server": SERVER_PAGE.about,
};

/** Homebrew's names of the systems and machines, and our target for each. */
const HOMEBREW: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  on_macos: { on_arm: "macos-arm64", on_intel: "macos-x64" },
  on_linux: { on_arm: "linux-arm64", on_intel: "linux-x64" },
};

/**
 * Writes `PROGRAM.rb` for Homebrew and `PROGRAM.json` for Scoop into a folder, for each program that the release has for their systems.
 *
 * @param folder Made when missing.
 * @returns The names of the files.
 */
export async function writeCatalogues(folder: string, release: Release): Promise<string[]> {
  const files: Record<string, string | undefined> = {};
  for (const program of new Set(release.files.map(({ program }) => program))) {
    files[`${program}.rb`] = homebrewFormula(release, program);
    files[`${program}.json`] = scoopManifest(release, program);
  }
  await Deno.mkdir(folder, { recursive: true });
  const written = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined);
  for (const [name, text] of written) await Deno.writeTextFile(join(folder, name), text);
  return written.map(([name]) => name);
}

/** A formula that takes the executable as it is; undefined when the release has none for macOS or Linux. */
export function homebrewFormula(release: Release, program: string): string | undefined {
  const systems = Object.entries(HOMEBREW).flatMap(([system, machines]) => {
    const lines = Object.entries(machines).flatMap(([machine, target]) => {
      const file = findFile(release, program, target);
      if (file === undefined) return [];
      return [
        `    ${machine} do`,
        `      url "${downloadUrl(release, file)}"`,
        `      sha256 "${file.sha256}"`,
        `    end`,
      ];
    });
    return lines.length === 0 ? [] : [`  ${system} do`, ...lines, `  end`, ``];
  });
  if (systems.length === 0) return undefined;
  const name = program.split("-").map(capitalize).join("");
  const service = [
    `  service do`,
    `    run [opt_bin/"${program}", "--data", var/"mini-chat"]`,
    `    keep_alive true`,
    `    log_path var/"log/${program}.log"`,
    `    error_log_path var/"log/${program}.log"`,
    `  end`,
    ``,
  ];
  return [
    `class ${name} < Formula`,
    `  desc "${describe(program)}"`,
    `  homepage "${homepage(release)}"`,
    `  version "${release.version}"`,
    `  license "MIT"`,
    ``,
    ...systems,
    `  def install`,
    `    bin.install "${program}"`,
    `    man1.install "man/${program}.1"`,
    `    bash_completion.install "completions/bash/${program}"`,
    `    zsh_completion.install "completions/zsh/_${program}"`,
    `    fish_completion.install "completions/fish/${program}.fish"`,
    `  end`,
    ``,
    ...(program === "mini-chat-server" ? service : []),
    `  test do`,
    `    assert_match version.to_s, shell_output("#{bin}/${program} --version")`,
    `  end`,
    `end`,
    ``,
  ].join("\n");
}

/** A manifest for a bucket; undefined when the release has nothing for Windows. */
export function scoopManifest(release: Release, program: string): string | undefined {
  const target = "windows-x64"; // on arm64 Scoop takes it too
  const file = findFile(release, program, target);
  if (file === undefined) return undefined;
  const github = githubProject(release.url);
  const url = downloadUrl(release, file);
  const nextUrl = url.replaceAll(release.version, "$version");
  const manifest = {
    version: release.version,
    description: describe(program),
    homepage: homepage(release),
    license: "MIT",
    architecture: { "64bit": { url, hash: file.sha256 } },
    bin: executableName(program, target),
    // Scoop can look for the next version where the address of this one holds its number.
    ...(github !== undefined && nextUrl !== url && {
      checkver: { github },
      autoupdate: {
        architecture: { "64bit": { url: nextUrl } },
        hash: { url: "$baseurl/SHA256SUMS" },
      },
    }),
  };
  return JSON.stringify(manifest, null, 4) + "\n";
}

/** The project's page where the downloads lie at GitHub; else the folder of the downloads. */
export function homepage(release: Release): string {
  return githubProject(release.url) ?? release.url;
}

/** The page of the GitHub project whose downloads these are; undefined for an address elsewhere. */
export function githubProject(url: string): string | undefined {
  return /^(https:\/\/github\.com\/[^/]+\/[^/]+)\/releases\//.exec(url)?.[1];
}

/** As both want it: no article first, no full stop. */
export function describe(program: string): string {
  return capitalize((ABOUT[program] ?? program).replace(/^an? /, ""));
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
