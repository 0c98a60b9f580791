/**
 * XMPP, as much of it as a message needs: SASL PLAIN, a bound resource, and stream management for acknowledgements.
 *
 * Servers are asked for an acknowledgement after each message, as clients on phones do.
 * @see RFC 6120, RFC 6121, XEP-0198, and XEP-0077 for accounts
 * @module
 */
import { CERTIFICATE_NAME } from "../../../lib/net/identity.ts";
import type { Dialect, DialectConnection, Wire } from "./driver.ts";

const PASSWORD = "correct horse";
const STREAM_MANAGEMENT = "urn:xmpp:sm:3";
const SASL = "urn:ietf:params:xml:ns:xmpp-sasl";

const encoder = new TextEncoder();

export const xmpp: Dialect = {
  async signIn(stream: Wire, name: string, isRecipient: boolean): Promise<DialectConnection> {
    const talk = new Talk(stream);
    await talk.open();
    await talk.ask(
      `<auth xmlns='${SASL}' mechanism='PLAIN'>${btoa(`\0${name}\0${PASSWORD}`)}</auth>`,
      "<success",
    );
    await talk.open();
    const bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind>";
    await talk.ask(`<iq type='set' id='bind'>${bind}</iq>`, "</iq>");
    await talk.ask(`<enable xmlns='${STREAM_MANAGEMENT}'/>`, "<enabled");
    const connection = new XmppConnection(stream, talk.rest);
    if (isRecipient) stream.write(encoder.encode("<presence/>"));
    return connection;
  },
};

/** Makes an account by in-band registration. */
export async function registerXmpp(stream: Wire, name: string): Promise<void> {
  const talk = new Talk(stream);
  await talk.open();
  const fields = `<username>${name}</username><password>${PASSWORD}</password>`;
  const answer = await talk.ask(
    `<iq type='set' id='register'><query xmlns='jabber:iq:register'>${fields}</query></iq>`,
    "id=",
  );
  if (answer.includes("error")) throw new Error(`The server did not register ${name}: ${answer}`);
}

/** Questions and answers before messages flow. */
class Talk {
  readonly #stream: Wire;
  readonly #decoder = new TextDecoder();
  /** What came behind the last answer's mark. */
  rest = "";

  constructor(stream: Wire) {
    this.#stream = stream;
  }

  open(): Promise<string> {
    const header =
      `<stream:stream to='${CERTIFICATE_NAME}' version='1.0' xml:lang='en' xmlns='jabber:client' ` +
      "xmlns:stream='http://etherx.jabber.org/streams'>";
    return this.ask(`<?xml version='1.0'?>${header}`, "</stream:features>");
  }

  /** Writes something and waits until a mark comes; returns all that came. */
  async ask(request: string, mark: string): Promise<string> {
    this.#stream.write(encoder.encode(request));
    let answer = "";
    while (!answer.includes(mark)) {
      answer += this.#decoder.decode(await this.#stream.read(), { stream: true });
      if (/<failure|<failed|<stream:error/.test(answer)) throw new Error(`The server refused: ${answer}`);
    }
    const end = answer.indexOf(">", answer.indexOf(mark));
    this.rest = answer.slice(end + 1);
    return answer;
  }
}

class XmppConnection implements DialectConnection {
  readonly #stream: Wire;
  readonly #decoder = new TextDecoder();
  #rest: string;
  #handled = 0; // of what we sent, by the server's count
  #received = 0; // stanzas from the server, by ours
  #lastId = 0;

  constructor(stream: Wire, rest: string) {
    this.#stream = stream;
    this.#rest = rest;
  }

  message(to: string, body: string): Uint8Array {
    const attributes = `to='${to}@${CERTIFICATE_NAME}' type='chat' id='m${++this.#lastId}'`;
    return encoder.encode(
      `<message ${attributes}><body>${body}</body></message><r xmlns='${STREAM_MANAGEMENT}'/>`,
    );
  }

  take(bytes: Uint8Array, tell: Parameters<DialectConnection["take"]>[1]): void {
    const all = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const end = all.lastIndexOf(">") + 1;
    this.#rest = all.slice(end);
    const whole = all.slice(0, end);
    // A tag is whole here, and a message's text has no angle brackets.
    const arrived = countOf(whole, "</message>");
    const stanzas = arrived + countOf(whole, "<presence") + countOf(whole, "</iq>");
    this.#received += stanzas;
    if (stanzas > 0 || /<r[ /]/.test(whole)) {
      this.#stream.write(encoder.encode(`<a xmlns='${STREAM_MANAGEMENT}' h='${this.#received}'/>`));
    }
    const handled = Number(
      Array.from(whole.matchAll(/<a [^>]*h=['"](\d+)['"]/g)).at(-1)?.[1] ?? this.#handled,
    );
    const acknowledged = handled - this.#handled;
    this.#handled = handled;
    if (whole.includes("<stream:error") || whole.includes("type='error'")) {
      throw new Error(`The server refused: ${whole.slice(0, 500)}`);
    }
    if (acknowledged > 0) tell.acknowledged(acknowledged);
    if (arrived > 0) tell.arrived(arrived);
  }
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}
