/**
 * Our own protocol, in the same driver.
 * @module
 */
import { IdMaker } from "../../helpers/message_ids.ts";
import { sendFrame } from "../load.ts";
import type { Person } from "../../helpers/population.ts";
import type { Dialect, DialectConnection, Wire } from "./driver.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const EVENT_START = '{"jsonrpc":"2.0","method":"message_received","params":{"sequence":';
const ACKNOWLEDGE_ID = 3; // of a request, and so of its reply, which is not counted
const FIRST_SEND_ID = 4;

/** Signs in with the tokens that these people have. */
export function miniChat(people: readonly Person[]): Dialect {
  const tokens = new Map(people.map(({ name, token }) => [name, token]));
  return {
    async signIn(wire, name, isRecipient) {
      await ask(wire, 0, "hello", { protocol: 1, client: { name: "bench", version: "0" } });
      await ask(wire, 1, "resume", { token: tokens.get(name)! });
      if (isRecipient) await ask(wire, 2, "subscribe", {});
      return new MiniChatConnection(wire);
    },
  };
}

async function ask(wire: Wire, id: number, method: string, params: unknown): Promise<void> {
  wire.write(encoder.encode(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n"));
  const mark = `"id":${id},"result"`;
  for (let answer = ""; !answer.includes(mark);) {
    answer += decoder.decode(await wire.read());
    if (answer.includes('"error"')) throw new Error(`The server refused: ${answer}`);
  }
}

class MiniChatConnection implements DialectConnection {
  readonly #wire: Wire;
  readonly #ids = new IdMaker();
  #nextId = FIRST_SEND_ID;
  #rest = "";

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  message(to: string, text: string): Uint8Array {
    return encoder.encode(sendFrame(this.#nextId++, this.#ids.next(), to, text));
  }

  take(bytes: Uint8Array, tell: Parameters<DialectConnection["take"]>[1]): void {
    const lines = (this.#rest + decoder.decode(bytes)).split("\n");
    this.#rest = lines.pop()!;
    let acknowledged = 0;
    let arrived = 0;
    let newest = 0;
    for (const line of lines) {
      if (line.startsWith(EVENT_START)) {
        arrived += 1;
        newest = parseInt(line.slice(EVENT_START.length, EVENT_START.length + 16));
      } else if (line.includes('"error"')) {
        throw new Error(`The server refused: ${line}`);
      } else if (line.includes('"result"') && !line.includes(`"id":${ACKNOWLEDGE_ID},`)) {
        acknowledged += 1;
      }
    }
    if (arrived > 0) {
      const params = { delivered: newest };
      const frame = { jsonrpc: "2.0", id: ACKNOWLEDGE_ID, method: "acknowledge", params };
      this.#wire.write(encoder.encode(JSON.stringify(frame) + "\n"));
      tell.arrived(arrived);
    }
    if (acknowledged > 0) tell.acknowledged(acknowledged);
  }
}
