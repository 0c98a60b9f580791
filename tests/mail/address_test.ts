import assert from "node:assert/strict";
import {
  canonicalAddress,
  findAddressFault,
  formatAddress,
  parseRecipients,
} from "../../lib/mail/address.ts";
import { findProvider, listProviders } from "../../lib/mail/providers.ts";

Deno.test("parseRecipients() reads several, with and without names, each once", () => {
  assert.deepEqual(
    parseRecipients(
      'Ann <ann@example.org>, bob@example.org; "Doe, Jane" <j@example.org>,, ANN <ann@EXAMPLE.org>',
    ),
    [
      { kind: "address", name: "Ann", address: "ann@example.org" },
      { kind: "address", name: "", address: "bob@example.org" },
      { kind: "address", name: "Doe, Jane", address: "j@example.org" },
    ],
  );
  assert.deepEqual(parseRecipients("  "), []);
});

Deno.test("parseRecipients() takes a bare word for a Mini-Chat user", () => {
  assert.deepEqual(parseRecipients("bob, carol_2.x"), [
    { kind: "user", userName: "bob" },
    { kind: "user", userName: "carol_2.x" },
  ]);
});

Deno.test("parseRecipients() takes any script, before and after the @", () => {
  assert.deepEqual(parseRecipients("Jürgen Müller <jürgen@bücher.example>, 张三 <张三@例子.中国>"), [
    { kind: "address", name: "Jürgen Müller", address: "jürgen@bücher.example" },
    { kind: "address", name: "张三", address: "张三@例子.中国" },
  ]);
});

const WRONG: readonly [string, RegExp][] = [
  ["ann@gmail", /no ending such as/],
  ["ann@@example.org", /more than one @/],
  ["@example.org", /before the @/],
  ["ann@", /after the @/],
  ["ann.@example.org", /misplaced dot/],
  ["a..b@example.org", /misplaced dot/],
  ["ann@exa_mple.org", /not a domain name/],
  ["ann@-x.org", /not a domain name/],
  ["ann@1.2.3.4", /is a number/],
  [`${"x".repeat(65)}@example.org`, /longer than 64/],
  [
    `ann@${"x".repeat(60)}.${"y".repeat(60)}.${"z".repeat(60)}.${"w".repeat(60)}.${"v".repeat(20)}.org`,
    /longer than 255/,
  ],
  ["Foo Bar", /no @/],
];
for (const [text, reason] of WRONG) {
  Deno.test(`parseRecipients() says what is wrong with ${text.slice(0, 30)}`, () => {
    const [item] = parseRecipients(text);
    assert.equal(item?.kind, "problem");
    assert.match(item?.kind === "problem" ? item.reason : "", reason);
  });
}

Deno.test("findAddressFault() finds none in what is right", () => {
  for (
    const address of [
      "a@b.org",
      "root@localhost",
      "x+tag@sub.example.co.uk",
      "o'neil=/{}@example.org",
      "ü@ü.example",
    ]
  ) {
    assert.equal(findAddressFault(address), null, address);
  }
  assert.match(findAddressFault("a b@example.org") ?? "", /space/);
});

Deno.test("formatAddress() then parseRecipients() is identity", () => {
  for (const name of ["", "Ann", "Doe, Jane", 'The "Boss"', "a\\b", "Ärger; (x)", "山田"]) {
    const address = { name, address: "x@example.org" };
    assert.deepEqual(parseRecipients(formatAddress(address)), [{ kind: "address", ...address }]);
  }
});

Deno.test("canonicalAddress() changes the domain alone", () => {
  assert.equal(canonicalAddress("Ann@EXAMPLE.org"), "Ann@example.org");
  assert.equal(canonicalAddress("Ann@Bücher.example"), "Ann@xn--bcher-kva.example");
});

Deno.test("listProviders() starts with Gmail, and has no one without encryption", () => {
  const providers = listProviders();
  assert.equal(providers[0]?.title, "Gmail");
  assert.ok(providers.length > 50);
  for (const { endpoint } of providers) {
    assert.ok(endpoint.host.includes("."), endpoint.host);
    assert.ok(endpoint.port > 0);
    assert.equal(endpoint.security, endpoint.security === "tls" ? "tls" : "starttls");
  }
});

Deno.test("findProvider() knows an address by its domain, and a provider by its name", () => {
  assert.deepEqual(findProvider("ann@gmail.com")?.endpoint, {
    host: "smtp.gmail.com",
    port: 465,
    security: "tls",
  });
  assert.equal(findProvider("ann@googlemail.com")?.id, "Gmail");
  assert.equal(findProvider("fastmail")?.endpoint.host, "smtp.fastmail.com");
  assert.equal(findProvider("ann@nobody.example"), null);
});
