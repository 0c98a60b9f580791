import assert from "node:assert/strict";
import { reportCommand, reportOnce } from "../../lib/commands/chat/report.ts";
import { ChatDesk, startLocalServer } from "../helpers/chat_desk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { openLocalStore } from "../../lib/store/open.ts";

Deno.test("report offers the last messages, sends those that were chosen, and no more than ten in an hour", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = new ChatDesk();
  await using eve = new ChatDesk();
  await ana.register(server.inviteLink, "ana");
  await eve.register(server.inviteLink, "eve");
  const texts = Array.from({ length: 7 }, (_, index) => `spam ${index}`);
  for (const text of texts) await eve.app.client().send("ana", text).outcome;
  await ana.app.client().send("eve", "stop it").outcome;

  const command = reportCommand(ana.app);
  const run = async (args: string) =>
    await command.run(args, {
      terminal: ana.tty.terminal,
      signal: new AbortController().signal,
      instead: () => false,
      leave() {},
    });
  const reporting = run("");
  await ana.screen.answers(["User:", "Eve"], ["Which of these", "1, 5"], ["Why:", "spam"]);
  await reporting;
  await ana.screen.sees(
    "Reported eve: it is report 1. The operator can read your reason and 2 messages, no others.",
  );
  const wrong = run("eve for nothing");
  await ana.screen.answers(["Which of these", "6"]);
  await assert.rejects(wrong, /Cannot report message 6: give numbers from 1 to 5/);

  const [page] = await Array.fromAsync(ana.app.client().history("eve"));
  const oldest = page!.find(({ text }) => text === "spam 0")!;
  const once = (which: string[], name = "eve") =>
    reportOnce(ana.app, { name, why: "spam", which }, { json: true });
  await once(["1", oldest.id]);
  await assert.rejects(once(["8"]), /Cannot find message 8 from eve/);
  await assert.rejects(once([], "nobody"), /Cannot find the user/);
  for (let more = 4; more <= 10; more++) await once([]);
  await assert.rejects(once([]), /Cannot report anybody now: tried too often/);

  await using store = await openLocalStore(`${folder.path}/mini-chat.db`);
  const textsOf = async (id: number) => (await store.openReport(id)).messages.map(({ text }) => text);
  assert.deepEqual(await textsOf(1), ["spam 2", "spam 6"]);
  assert.deepEqual(await textsOf(2), ["spam 0", "spam 6"]);
});
