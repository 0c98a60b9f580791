import assert from "node:assert/strict";
import { testWith } from "../helpers/needs.ts";
import { Program } from "../helpers/program.ts";
import { Screen } from "./screen.ts";
import { Talk } from "./talk.ts";

/** What two screens show once two lines were typed at each, and what has to be found wrong with it. */
const CASES: readonly { ana?: string[]; bob?: string[]; wrong: RegExp | undefined }[] = [
  { wrong: undefined },
  {
    bob: ["ana: line 1"],
    wrong: /^of 2 of ana's lines 1 never arrived: 2; 2 of ana's lines have ticks, and 1/,
  },
  { bob: ["ana: line 1", "ana: line 2", "ana: line 2"], wrong: /^1 of ana's lines arrived twice$/ },
  { bob: ["ana: line 2", "ana: line 1"], wrong: /^ana's lines arrived out of order: 2, 1$/ },
  { ana: ["bob: line 1", "bob: line 22"], wrong: /^of 2 of bob's lines 1 never arrived: 2/ },
];
const TICKS = { ana: "✓ bob has it.", bob: "✓ ana has it." };

for (const { ana = ["bob: line 1", "bob: line 2"], bob = ["ana: line 1", "ana: line 2"], wrong } of CASES) {
  const name = wrong === undefined ? "nothing where all is right" : `what is wrong: ${wrong.source}`;
  testWith(["unix"], `Talk.check() finds ${name}`, async () => {
    await checkTalk([...ana, TICKS.ana, TICKS.ana], [...bob, TICKS.bob, TICKS.bob], wrong);
  });
}

testWith(["unix"], "Talk.check() misses a tick", async () => {
  const ana = ["bob: line 1", "bob: line 2", TICKS.ana];
  const bob = ["ana: line 1", "ana: line 2", TICKS.bob, TICKS.bob];
  await checkTalk(ana, bob, /^1 of ana's lines have no tick$/);
});

async function checkTalk(ana: string[], bob: string[], wrong: RegExp | undefined): Promise<void> {
  await using anasProgram = startShowing(ana);
  await using bobsProgram = startShowing(bob);
  const talk = new Talk(new Screen("ana", anasProgram), new Screen("bob", bobsProgram));
  const typed = [talk.mark({ withinMs: 60_000 }), talk.mark({ withinMs: 60_000 })];
  // Each shows its lines when nothing more is typed, and ends.
  await Promise.all([anasProgram.closeInput(), bobsProgram.closeInput()]);
  await Promise.allSettled(typed);
  if (wrong === undefined) await talk.check();
  else await assert.rejects(talk.check(), (error: Error) => wrong.test(error.message));
}

function startShowing(lines: readonly string[]): Program {
  return new Program("sh", ["-c", 'cat >/dev/null; printf "%s\\n" "$@"', "sh", ...lines]);
}
