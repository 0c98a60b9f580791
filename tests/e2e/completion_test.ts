/**
 * The completion scripts in the real shells, typed at on a pseudo-terminal: what Tab makes of a line, and that no name can do more
 * than stand there as text.
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { openProfile } from "../../lib/profile/profile.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { clientCommand, serverCommand } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { runOnPty } from "../helpers/pty.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** How each shell is started, and what a person has in the file that it reads then. */
interface ShellStart {
  readonly args: readonly string[];
  readonly file: string;
  readonly lines: string;
  readonly listing: string; // keys that show all candidates
}

const SHELLS: Record<string, ShellStart> = {
  bash: {
    args: ["--noprofile", "--rcfile", ".bashrc", "-i"],
    file: ".bashrc",
    lines:
      'PS1=\'ready> \'\neval "$(mini-chat-client completions bash)"\neval "$(mini-chat-server completions bash)"\n',
    listing: "\t\t",
  },
  zsh: {
    args: ["-i"],
    file: ".zshrc",
    lines: "PS1='ready> '; autoload -Uz compinit; compinit -u -D\n" +
      'eval "$(mini-chat-client completions zsh)"\neval "$(mini-chat-server completions zsh)"\n',
    listing: "\t",
  },
  fish: {
    args: ["-i"],
    file: ".config/fish/config.fish",
    lines: "function fish_prompt; echo 'ready> '; end\nset fish_greeting\n" +
      "mini-chat-client completions fish | source\nmini-chat-server completions fish | source\n",
    listing: "\t",
  },
};

/** Names that a hostile server might have sent, each with the letters that no other one begins with. */
const HOSTILE = [
  "ev1$(touch pwned)`touch pwned`>pwned&",
  "ev2; touch pwned |'\"\\*?[x]{a,b}~#!$x",
  "ev3'; touch pwned; '",
];

const SERVER = { host: "chat.example.org", port: 7000 };
const CODE = "Zw8-x1Yq";

/** What is typed, and the arguments that the program gets. */
const CASES: readonly (readonly [typed: string, args: readonly string[]])[] = [
  ["client send --js\tbo\thello", ["send", "--json", "bob", "hello"]],
  ["client email --attach rep\t", ["email", "--attach", "report (1).txt"]],
  ["client email --attach=rep\t", ["email", "--attach=report (1).txt"]],
  [
    "client users --server chat.example.org:70\t --user=a\t",
    ["users", "--server", "chat.example.org:7000", "--user=ana"],
  ],
  ["client nothing\t", ["nothing"]],
  ["server invite rev\tZw\t", ["invite", "revoke", CODE]],
  ...HOSTILE.map((who) => [`client send ${who.slice(0, 3)}\tx`, ["send", who, "x"]] as const),
];

for (const [name, { args: flags, file, lines, listing }] of Object.entries(SHELLS)) {
  testWith(
    // From source each Tab would take as long as a start of Deno.
    ["unix", "executables", { command: "python3" }, { command: name }],
    `${name} completes subcommands, flags, names, files and codes, and takes no name for code`,
    async () => {
      using folder = tempFolder();
      const env = await prepare(folder.path);
      await Deno.mkdir(dirname(join(folder.path, file)), { recursive: true });
      await Deno.writeTextFile(join(folder.path, file), lines);
      const { output } = await runOnPty(["env", "-C", folder.path, name, ...flags], [
        { wait: "ready> " },
        // All of them at once, on the screen.
        { keys: `mini-chat-client send ev${listing}` },
        { wait: "touch" },
        { keys: "\x15\x15\r" },
        ...CASES.flatMap(([typed, args]) => [
          { wait: "ready> " },
          { keys: `mini-chat-${typed}\r` },
          { wait: `got${args.map((arg) => `<${arg}>`).join("")}end` },
        ]),
        { keys: "exit\r" },
      ], { env, size: [120, 40] });
      assert.doesNotMatch(output, /error|not found/i);
      assert.deepEqual(
        await Array.fromAsync(Deno.readDir(folder.path)).then((all) =>
          all.filter((it) => it.name === "pwned")
        ),
        [],
      );
    },
  );
}

/** A profile with people, a data folder, a file to attach; no server runs. The programs only say what they were given. */
async function prepare(folder: string) {
  const bin = join(folder, "bin");
  await Deno.mkdir(bin);
  for (
    const [name, { command, args }] of [["client", clientCommand()], ["server", serverCommand()]] as const
  ) {
    const real = [command, ...args].map((word) => `'${word}'`).join(" ");
    const script = `#!/bin/sh
case $1 in
  complete) exec ${real} "$@" ;;
  completions) [ -t 1 ] || exec ${real} "$@" ;;
esac
printf got; printf '<%s>' "$@"; echo end
`;
    await Deno.writeTextFile(join(bin, `mini-chat-${name}`), script, { mode: 0o755 });
  }
  await Deno.writeTextFile(join(folder, "report (1).txt"), "");
  // Else fish begins to read all manual pages, behind everything else.
  await Deno.mkdir(join(folder, ".local/share/fish/generated_completions"), { recursive: true });
  const profileFolder = join(folder, "profile");
  using profile = openProfile(profileFolder);
  const { serverId } = profile.saveServer({ ...SERVER, certificate: null, fingerprint: null });
  const ana = { serverId, name: "ana" };
  profile.saveLogin(ana, { token: "token", deviceId: "device" });
  const people = ["bob", "bill", ...HOSTILE, "evz\nx", "evz\u001b[2Jx"];
  profile.peopleOf(ana).keep(new Map(people.map((who) => [who, "met"])));
  const data = join(folder, "data");
  await Deno.mkdir(data);
  await using store = await openLocalStore(join(data, "mini-chat.db"));
  await store.createInvite({ code: CODE, maxUses: null, expiresAt: null, note: "for $(touch pwned)" });
  return {
    PATH: `${bin}:${Deno.env.get("PATH")}`,
    HOME: folder,
    ZDOTDIR: folder,
    XDG_CONFIG_HOME: join(folder, ".config"),
    MINI_CHAT_PROFILE: profileFolder,
    MINI_CHAT_DATA: data,
  };
}
