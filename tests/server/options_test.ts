import assert from "node:assert/strict";
import { Command } from "commander";
import { parseInviteLink } from "../../lib/protocol/invite_link.ts";
import { addLinkOptions, type LinkOptions } from "../../lib/server/options.ts";

function publicHostOf(text: string): string | undefined {
  const command = addLinkOptions(new Command()).exitOverride().configureOutput({ writeErr: () => {} });
  command.parse(["--public-host", text], { from: "user" });
  return command.opts<LinkOptions>().publicHost;
}

Deno.test("--public-host takes what an invite link can have, and once printed links that nobody could use", () => {
  const cases: [string, string][] = [
    ["Chat.Example.ORG.", "chat.example.org"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["192.0.2.7", "192.0.2.7"],
    ["2001:DB8::7", "2001:db8::7"],
    ["[2001:db8::7]", "2001:db8::7"],
  ];
  for (const [text, host] of cases) {
    assert.equal(publicHostOf(text), host);
    assert.equal(parseInviteLink(host).host, host);
  }
  const wrong = [
    "",
    " ",
    "a b",
    "https://chat.example.org",
    "chat.example.org/",
    "chat.example.org:7667",
    "[::1]:7667",
  ];
  for (const text of wrong) assert.throws(() => publicHostOf(text), /Give a name or an address alone/, text);
});
