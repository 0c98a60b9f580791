import assert from "node:assert/strict";
import { joinCodeOf, registerAs } from "../helpers/accounts.ts";
import { addPeople, type Person } from "../helpers/population.ts";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { Wire } from "../helpers/wire.ts";

/** What nobody but those whom it concerns may read. */
const SECRETS = {
  password: "correct horse", // of registerAs()
  wrongPassword: "Tr0ub4dor-and-3",
  newPassword: "battery staple 77",
  text: "meet-me-at-the-old-mill",
  chatSecret: "S3cretOfOneDirectChat0",
  certificate: "MIIcertificateOfOneDirectChat",
  email: "ana-private@example.org",
  deviceName: "device-of-ana",
  reportReason: "she-told-me-of-the-mill",
};

Deno.test("no secret and no text of a message is in the log, at its finest, or in the operators' audit log", async () => {
  using folder = tempFolder();
  const [{ name: bobsName, token: bobsToken }] = await addPeople(folder.path, "bob", 1) as [Person];
  await using server = await startServer({
    data: folder.path,
    args: ["--log-level", "debug", "--log-format", "json"],
  });
  const found: string[] = Object.values(SECRETS);
  await using ana = await registerAs(server, "ana");
  await using bob = await Wire.greet(server.port);
  await bob.ask("resume", { token: bobsToken });
  found.push(bobsToken);
  const send = { id: crypto.randomUUID(), to: bobsName, text: SECRETS.text };
  const { sequence } = await ana.ask("send_message", send);
  await ana.refused("send_message", { ...send, text: `${SECRETS.text} again` });
  await ana.refused("send_message", { ...send, id: "no id", unknown: SECRETS.text });
  await ana.refused("send_message", { ...send, text: SECRETS.text.repeat(2_000) });
  await bob.ask("subscribe", {});
  await bob.ask("fetch_history", { with: "ana" });
  await bob.ask("report_user", { name: "ana", why: SECRETS.reportReason, messages: [sequence] });
  await bob.refused("report_user", { name: "ana", why: SECRETS.reportReason, messages: [9] });
  await ana.ask("update_settings", { email: SECRETS.email });
  const chatId = crypto.randomUUID();
  const chat = {
    chatId,
    to: bobsName,
    port: 1,
    places: [],
    certificate: `-----BEGIN CERTIFICATE-----\n${SECRETS.certificate}\n-----END CERTIFICATE-----\n`,
    secret: SECRETS.chatSecret,
  };
  await ana.ask("open_chat", chat);
  await ana.refused("open_chat", { ...chat, certificate: SECRETS.certificate });
  found.push((await bob.ask("join_chat", { chatId })).relayTicket as string);

  await using guest = await Wire.greet(server.port);
  await guest.refused("login", { name: "ana", password: SECRETS.wrongPassword });
  await guest.refused("register", {
    name: "ana",
    password: SECRETS.newPassword,
    joinCode: joinCodeOf(server.inviteLink),
  });
  await guest.refused("login", { name: SECRETS.wrongPassword, password: SECRETS.password });
  await guest.refused("resume", { token: SECRETS.wrongPassword });
  const login = { name: "ana", password: SECRETS.password, deviceName: SECRETS.deviceName };
  const { token } = await guest.ask("login", login);
  found.push(token as string, joinCodeOf(server.inviteLink));
  await guest.ask("change_password", { oldPassword: SECRETS.password, newPassword: SECRETS.newPassword });

  // Faults of the wire, whose words might be quoted by whoever complains about them.
  for (
    const line of [
      `{"jsonrpc":"2.0","id":1,"method":"send_message","params":{"text":"${SECRETS.text}"`,
      `${SECRETS.text}`,
      `{"jsonrpc":"2.0","id":1,"method":"${SECRETS.text}","params":{}}`,
      `{"jsonrpc":"2.0","id":1,"method":"send_message","params":"${SECRETS.text}"}`,
      `{"jsonrpc":"${SECRETS.text}","id":1,"method":"ping"}`,
      "x".repeat(70_000) + SECRETS.text,
    ]
  ) {
    await using broken = await Wire.greet(server.port);
    broken.send(line + "\n");
    await broken.next(({ id }) => id === null || id === 1);
  }
  const operate = async (...args: string[]) => {
    const { code, stdout, stderr } = await runServer([...args, "--data", folder.path], {
      input: `${SECRETS.newPassword}\n`,
      env: { USER: "dora", SUDO_USER: "carl" },
    });
    assert.equal(code, 0, stderr);
    return stdout + stderr;
  };
  await operate("user", "add", "eve");
  await operate("user", "reset-password", "eve");
  await operate("ban", "account", "eve", "--for", "1h");
  await operate("invite", "new", "--note", "for the choir");
  assert.ok(!(await operate("report", "list", "--all", "--json")).includes(SECRETS.text));
  const shown = await operate("report", "show", "1");
  for (const word of [SECRETS.text, SECRETS.reportReason]) assert.ok(shown.includes(word), shown);
  await operate("report", "close", "1");
  assert.ok(!(await operate("report", "show", "1", "--json")).includes(SECRETS.text));
  const audit = await operate("audit") + await operate("audit", "--json", "--since", "1h");
  assert.match(audit, /^\S+Z {2}dora(?: \(uid \d+\))?, by sudo from carl {2}user reset-password eve$/m);
  assert.match(audit, /^\S+Z {2}dora.* ban account eve until \S+Z$/m);
  assert.match(audit, /^\S+Z {2}dora.* report show 1$/m);
  assert.match(audit, /"act":"invite new","subject":"for the choir"/);
  assert.equal(await server.stop(), 0);
  const log = server.program.stderr + audit;
  assert.match(log, /signed in/);
  for (const secret of found) assert.ok(!log.includes(secret), `the log holds ${secret}`);
});
