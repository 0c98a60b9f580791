/**
 * MQTT 3.1.1, as much of it as a message needs: QoS 1 to a topic of one's own, kept for a recipient who is away.
 * @see OASIS MQTT 3.1.1, sections 2 and 3
 * @module
 */
import type { Dialect, DialectConnection, Wire } from "./driver.ts";

const CONNECT = 0x10;
const PUBLISH_QOS_1 = 0x32;
const PUBACK = 0x40;
const SUBSCRIBE = 0x82;
const PUBACK_TYPE = 4;
const PUBLISH_TYPE = 3;

const MAX_PACKET_ID = 65_535;

const encoder = new TextEncoder();

export const mqtt: Dialect = {
  async signIn(stream: Wire, name: string, isRecipient: boolean): Promise<DialectConnection> {
    const connection = new MqttConnection(stream);
    const flags = isRecipient ? 0x00 : 0x02; // clean session
    stream.write(packet(CONNECT, [...text("MQTT"), 4, flags, 0, 0, ...text(name)]));
    expectAnswer(await stream.read(), 0x20, 3); // CONNACK; its return code comes last
    if (isRecipient) {
      stream.write(packet(SUBSCRIBE, [0, 1, ...text(`to/${name}`), 1]));
      expectAnswer(await stream.read(), 0x90); // SUBACK
    }
    return connection;
  },
};

class MqttConnection implements DialectConnection {
  readonly #stream: Wire;
  #rest = new Uint8Array();
  #packetId = 0;

  constructor(stream: Wire) {
    this.#stream = stream;
  }

  message(to: string, body: string): Uint8Array {
    this.#packetId = this.#packetId % MAX_PACKET_ID + 1;
    const id = [this.#packetId >> 8, this.#packetId & 0xff];
    return packet(PUBLISH_QOS_1, [...text(`to/${to}`), ...id, ...encoder.encode(body)]);
  }

  take(bytes: Uint8Array, tell: Parameters<DialectConnection["take"]>[1]): void {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    let at = 0;
    let acknowledged = 0;
    let arrived = 0;
    for (;;) {
      const header = readHeader(all, at);
      if (header === undefined || header.end > all.length) break;
      const type = all[at]! >> 4;
      if (type === PUBACK_TYPE) acknowledged += 1;
      if (type === PUBLISH_TYPE) {
        arrived += 1;
        const topicBytes = all[header.start]! << 8 | all[header.start + 1]!;
        const idAt = header.start + 2 + topicBytes;
        this.#stream.write(packet(PUBACK, [all[idAt]!, all[idAt + 1]!]));
      }
      at = header.end;
    }
    this.#rest = all.slice(at);
    if (acknowledged > 0) tell.acknowledged(acknowledged);
    if (arrived > 0) tell.arrived(arrived);
  }
}

/** Where a packet's content starts and ends; undefined while its header is not whole. */
function readHeader(bytes: Uint8Array, at: number): { start: number; end: number } | undefined {
  let length = 0;
  for (let place = 0; place < 4; place++) {
    const byte = bytes[at + 1 + place];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) << (7 * place);
    if (byte < 0x80) return { start: at + 2 + place, end: at + 2 + place + length };
  }
  throw new Error("The server sent a packet of more than 268 MB");
}

function packet(first: number, content: readonly number[]): Uint8Array {
  const length: number[] = [];
  let left = content.length;
  do {
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  return Uint8Array.from([first, ...length, ...content]);
}

function text(value: string): number[] {
  const bytes = encoder.encode(value);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

function expectAnswer(bytes: Uint8Array, first: number, codeAt?: number): void {
  const code = codeAt === undefined ? 0 : bytes[codeAt];
  if (bytes[0] !== first || code !== 0) throw new Error(`The broker refused: ${bytes.slice(0, 8)}`);
}
