/**
 * `deno task pictures`: takes the terminal pictures of the pages from the real programs, in `tests/pictures/`.
 *
 * It plays in network and user namespaces of its own (`unshare`), where the server has its usual port and a name, whatever else runs
 * on this machine. With `MINI_CHAT_TEST_DIST` it shows the executables. `--print` shows the text instead of writing.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROJECT_FOLDER, say } from "../../build/tool.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { COLUMNS, HOST, type Picture, playScenes } from "./scenes.ts";
import { drawWindow, THEMES } from "./svg.ts";

/** Given to the process on the stage. */
const ON_STAGE = "--on-stage";

async function main(): Promise<number> {
  using folder = tempFolder("mini-chat-pictures-");
  if (!Deno.args.includes(ON_STAGE)) return await enterStage(folder.path);
  for (const picture of await playScenes(folder.path)) await write(picture);
  return 0;
}

/** Runs this program again, on a machine with nothing but loopback and one more name for it. */
async function enterStage(folder: string): Promise<number> {
  const hosts = join(folder, "hosts");
  await Deno.writeTextFile(hosts, `127.0.0.1 localhost\n192.168.1.20 ${HOST}\n`);
  const script =
    'ip link set lo up && ip addr add 192.168.1.20/24 dev lo && mount --bind "$1" /etc/hosts && mount -t tmpfs none /srv && shift && exec "$@"';
  const { code } = await new Deno.Command("unshare", {
    args: [
      ...["--map-root-user", "--net", "--mount", "sh", "-c", script, "sh", hosts],
      ...[
        Deno.execPath(),
        "run",
        "-q",
        "--no-prompt",
        "--allow-net",
        "--allow-read",
        "--allow-write",
        "--allow-env",
        "--allow-run",
      ],
      ...["--allow-sys", fileURLToPath(import.meta.url), ON_STAGE, ...Deno.args],
    ],
    cwd: PROJECT_FOLDER,
    env: { DENO_DIR: await fillCache() },
  }).output().then((
    output,
  ) => (Deno.stdout.writeSync(output.stdout), Deno.stderr.writeSync(output.stderr), output));
  return code;
}

/** On the stage there is neither a network to fetch packages from nor the home in which those that were fetched are. */
async function fillCache(): Promise<string> {
  const deno = async (...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: PROJECT_FOLDER })
      .output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  await deno("cache", "--quiet", "server.ts", "client.ts", fileURLToPath(import.meta.url));
  return JSON.parse(await deno("info", "--json")).denoDir;
}

async function write({ name, title, rows }: Picture): Promise<void> {
  for (const [theme, colours] of Object.entries(THEMES)) {
    const svg = drawWindow(rows, { title, columns: COLUMNS }, colours);
    if (Deno.args.includes("--print")) {
      if (theme === "light") say(`== ${title}\n${/<desc id="d">([^]*)<\/desc>/.exec(svg)?.[1]}`);
      continue;
    }
    const path = join("tests", "pictures", `${name}-${theme}.svg`);
    await Deno.writeTextFile(join(PROJECT_FOLDER, path), svg);
    say(`${path}  ${(svg.length / 1024).toFixed(1)} KB`);
  }
}

Deno.exit(await main());
