import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../lib/errors.ts";
import {
  formatFingerprint,
  formatInviteLink,
  type InviteLink,
  parseFingerprint,
  parseHostAndPort,
  parseInviteLink,
} from "../../lib/protocol/invite_link.ts";
import { formatHostAndPort } from "../../lib/addresses.ts";

const digest = Uint8Array.from({ length: 32 }, (_, index) => (index * 37 + 250) % 256);
const fingerprint = formatFingerprint(digest);

Deno.test("parseInviteLink() reads every form that people paste", () => {
  const host = "chat.example.org";
  const cases: [string, InviteLink][] = [
    [`mini-chat://${host}:7000/AbC-1_2#${fingerprint}`, {
      host,
      port: 7000,
      joinCode: "AbC-1_2",
      fingerprint,
    }],
    [`  <mini-chat://${host}:7000/AbC#${fingerprint}>\n`, { host, port: 7000, joinCode: "AbC", fingerprint }],
    [`"mini-chat://${host}:7000/AbC#${fingerprint}".`, { host, port: 7000, joinCode: "AbC", fingerprint }],
    [`  Invite link  mini-chat://${host}/AbC#${fingerprint} (24 h)`, {
      host,
      port: 7667,
      joinCode: "AbC",
      fingerprint,
    }],
    [`MINI-CHAT://Chat.Example.ORG/AbC`, { host, port: 7667, joinCode: "AbC" }],
    [`mini-chat://${host}`, { host, port: 7667 }],
    [`mini-chat://${host}/`, { host, port: 7667 }],
    [`mini-chat://${host}#${fingerprint}`, { host, port: 7667, fingerprint }],
    [`mini-chat://${host}/#${fingerprint}`, { host, port: 7667, fingerprint }],
    [`mini-chat://${host}/#${fingerprint.slice(7)}`, { host, port: 7667, fingerprint }],
    ["mini-chat://[2001:DB8::1]:7000/x", { host: "2001:db8::1", port: 7000, joinCode: "x" }],
    ["mini-chat://[::1]", { host: "::1", port: 7667 }],
    ["[2001:DB8:0:0::0001]:7000", { host: "2001:db8::1", port: 7000 }],
    ["2001:0db8:0:0:0:0:0:1", { host: "2001:db8::1", port: 7667 }],
    ["[::ffff:192.0.2.7]", { host: "192.0.2.7", port: 7667 }],
    ["[FE80:0::1%eth0]:7000", { host: "fe80::1%eth0", port: 7000 }],
    ["192.0.2.7", { host: "192.0.2.7", port: 7667 }],
    ["192.0.2.7:80", { host: "192.0.2.7", port: 80 }],
    ["2001:db8::1", { host: "2001:db8::1", port: 7667 }],
    ["[2001:db8::1:7667]", { host: "2001:db8::1:7667", port: 7667 }],
    ["2001:db8::1:0", { host: "2001:db8::1:0", port: 7667 }],
    ["2001:db8::1:a7", { host: "2001:db8::1:a7", port: 7667 }],
    ["2001:db8:0:1:2:3:4:5", { host: "2001:db8:0:1:2:3:4:5", port: 7667 }],
    ["Chat.Example.ORG.:7668", { host, port: 7668 }],
    ["localhost", { host: "localhost", port: 7667 }],
    [`(mini-chat://${host}/AbC)`, { host, port: 7667, joinCode: "AbC" }],
    [`\`mini-chat://${host}\``, { host, port: 7667 }],
    [`„mini-chat://${host}”`, { host, port: 7667 }],
    ["Bücher.Example:7668", { host: "xn--bcher-kva.example", port: 7668 }],
    ["mini-chat://例え。テスト/x", { host: "xn--r8jz45g.xn--zckzah", port: 7667, joinCode: "x" }],
    ["chat.\u200bexample.org", { host, port: 7667 }],
    ["my_host.lan:7668", { host: "my_host.lan", port: 7668 }],
  ];
  for (const [text, link] of cases) assert.deepEqual(parseInviteLink(text), link, text);
});

Deno.test("parseInviteLink() names the part that is wrong", () => {
  const cases: [string, RegExp][] = [
    ["", /no host was given/],
    ["   ", /no host was given/],
    ["mini-chat://", /no host was given/],
    ["mini-chat:///code", /no host was given/],
    ["https://example.org/", /must look like mini-chat:.*or HOST alone.*begins with https:\/\//],
    ["ü..example.org", /host must be/],
    ["ü%2e.example.org", /host must be/],
    ["\u202eexample.org", /host must be/],
    ["[ü]", /host must be/],
    ["ana@example.org", /host must be a name or an address/],
    ["two words", /host must be/],
    ["-option", /host must be/],
    ["mini-chat://[::1:7667", /host must be/],
    ["fe80::1%eth0:7667", /IPv6 with a port as \[2001:db8::1\]:7667/],
    ["2001:db8:0:0:0:0:0:1:7667", /IPv6 with a port as \[2001:db8::1\]:7667/],
    [
      "2001:db8::1:7667",
      /whether the 7667 of 2001:db8::1:7667 is a port: write \[2001:db8::1\]:7667 if it is, else \[2001:db8::1:7667\]$/,
    ],
    ["mini-chat://fe80::1:443/code", /write \[fe80::1\]:443/],
    ["mini-chat://[chat.example.org]:7667", /host must be/],
    ["mini-chat://a..b", /host must be/],
    ["\u001b[31mred", /host must be a name.*\\u001b/],
    ["chat.example.org:0", /port .* from 1 to 65535: received "0"/],
    ["chat.example.org:65536", /port .* "65536"/],
    ["chat.example.org:", /port .* received ""/],
    ["chat.example.org:http", /port .* "http"/],
    ["mini-chat://host/two/parts", /join code/],
    ["mini-chat://host/c%20d", /join code/],
    ["mini-chat://host/code#short", /fingerprint .* received "short"/],
    [`mini-chat://host/code#${fingerprint}x`, /fingerprint/],
    [`mini-chat://${"a".repeat(300)}`, /host must be .*…"$/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseInviteLink(text), (error: Error) => {
      assert.ok(error instanceof UsageError, text);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("parseInviteLink() throws nothing but UsageError, whatever is pasted", () => {
  const piece = fc.constantFrom(
    "mini-chat://",
    "[",
    "]",
    ":",
    "/",
    "#",
    "7667",
    "::1",
    "a.b",
    fingerprint,
    " ",
    "%",
    "é",
  );
  const text = fc.oneof(fc.string(), fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")));
  fc.assert(
    fc.property(text, (text) => {
      try {
        const link = parseInviteLink(text);
        assert.deepEqual(parseInviteLink(formatInviteLink(link)), link);
      } catch (error) {
        assert.ok(error instanceof UsageError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("formatInviteLink() and parseInviteLink() are inverse", () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.constantFrom("::1", "2001:db8::7", "fe80::1"));
  const code = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
  const print = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatFingerprint);
  fc.assert(fc.property(
    fc.record({ host, port: fc.integer({ min: 1, max: 65535 }), joinCode: code, fingerprint: print }, {
      requiredKeys: ["host", "port"],
      noNullPrototype: true,
    }),
    (link) => assert.deepEqual(parseInviteLink(formatInviteLink(link)), link),
  ));
});

Deno.test("parseFingerprint() gives one spelling for one key", () => {
  const base64 = digest.toBase64();
  const spellings = [
    fingerprint,
    ` ${fingerprint}\n`,
    fingerprint.replace("SHA256:", "sha256:"),
    `SHA256:${base64}`,
    base64,
    base64.replace("=", ""),
    digest.toHex(),
    digest.toHex().toUpperCase().replace(/(..)(?=.)/g, "$1:"),
  ];
  assert.match(fingerprint, /^SHA256:[A-Za-z0-9_-]{43}$/);
  for (const spelling of spellings) assert.equal(parseFingerprint(spelling), fingerprint, spelling);
  for (const wrong of ["", "SHA256:", "MD5:aa", base64.slice(4), `${base64}AAAA`, "zz".repeat(32)]) {
    assert.throws(() => parseFingerprint(wrong), UsageError, wrong);
  }
});

Deno.test("parseHostAndPort() and formatHostAndPort() are inverse", () => {
  for (const [host, port, text] of [["::1", 1, "[::1]:1"], ["a.b", 65535, "a.b:65535"]] as const) {
    assert.equal(formatHostAndPort(host, port), text);
    assert.deepEqual(parseHostAndPort(text), { host, port });
  }
});
