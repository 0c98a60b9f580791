/**
 * The chat servers that ours is compared with, each started on an empty folder with TLS and without its throttles.
 *
 * Nothing else of theirs is changed than what this file says, so that anybody can see what was measured.
 * @module
 */
import { join } from "node:path";
import { CERTIFICATE_NAME } from "../../../lib/net/identity.ts";
import { sleep } from "../../../lib/waiting.ts";
import { whyNot } from "../../helpers/needs.ts";
import { freePort } from "../../helpers/ports.ts";
import { Program, runProgram } from "../../helpers/program.ts";
import { startBenchServer } from "../bench_server.ts";
import type { Target } from "../load.ts";
import { addNamed } from "../../helpers/population.ts";
import { type Dialect, Wire } from "./driver.ts";
import { miniChat } from "./mini_chat.ts";
import { mqtt } from "./mqtt.ts";
import { registerXmpp, xmpp } from "./xmpp.ts";

/** A server that runs, with accounts of these names. */
export interface PeerServer extends AsyncDisposable {
  readonly target: Target;
  readonly dialect: Dialect;
}

/** One way to run one server. */
export interface Peer {
  readonly name: string;
  /** What lies on the disk when it acknowledges a message; one line for people. */
  readonly onDisk: string;
  /** Why it cannot be measured here; undefined where it can. */
  readonly missing: string | undefined;
  /** Starts it with accounts of these names. */
  start(folder: string, names: readonly string[]): Promise<PeerServer>;
}

const READY_WITHIN_MS = 30_000;
const TRY_EVERY_MS = 100;
/** Accounts are made by so many at once. */
const REGISTER_AT_ONCE = 8;

export const PEERS: readonly Peer[] = [
  {
    name: "Mini-Chat",
    onDisk: "the message, synced",
    missing: undefined,
    async start(folder, names) {
      const people = await addNamed(folder, names);
      const server = await startBenchServer(folder);
      return {
        target: server.target,
        dialect: miniChat(people),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: "mosquitto",
    onDisk: "nothing: all is in memory, as installed",
    missing: whyNot({ command: "mosquitto" }, { command: "openssl" }),
    start: (folder, names) => startMosquitto(folder, names, ["persistence false"]),
  },
  {
    name: "mosquitto, saving",
    onDisk: "the messages until the save before; the whole file is written anew and synced after changes",
    missing: whyNot({ command: "mosquitto" }, { command: "openssl" }),
    start: (folder, names) =>
      startMosquitto(folder, names, [
        "persistence true",
        `persistence_location ${folder}/`,
        "autosave_on_changes true",
        "autosave_interval 1",
      ]),
  },
  {
    name: "Prosody, files",
    onDisk: "a line in the recipient's file, not synced; nothing for one who is connected",
    missing: whyNot({ command: "prosody" }, { command: "lua5.4" }, { command: "openssl" }),
    start: (folder, names) => startProsody(folder, names, ['storage = "internal"']),
  },
  {
    name: "Prosody, SQLite",
    onDisk: "a row, synced by SQLite; nothing for one who is connected",
    missing: whyNot({ command: "prosody" }, { command: "lua5.4" }, { command: "openssl" }),
    start: (folder, names) =>
      startProsody(folder, names, [
        'storage = "sql"',
        `sql = { driver = "SQLite3", database = "${folder}/prosody.sqlite" }`,
        'sqlite_tune = "safe"',
      ]),
  },
  {
    name: "ejabberd, SQLite",
    onDisk: "a row, synced by SQLite; nothing for one who is connected",
    missing: whyNot({ command: "ejabberdctl" }, { command: "erl" }, { command: "openssl" }),
    start: startEjabberd,
  },
];

async function startMosquitto(
  folder: string,
  names: readonly string[],
  settings: readonly string[],
): Promise<PeerServer> {
  const { target, certificate, key } = await newIdentity(folder);
  const config = join(folder, "mosquitto.conf");
  await Deno.writeTextFile(
    config,
    lines(
      "user root", // it would change to another user, who may not read the folder
      `listener ${target.port} 127.0.0.1`,
      `certfile ${certificate}`,
      `keyfile ${key}`,
      "allow_anonymous true",
      "set_tcp_nodelay true",
      "max_queued_messages 0",
      "max_inflight_messages 0",
      "log_type error",
      ...settings,
    ),
  );
  const server = await running("mosquitto", ["-c", config], {}, target, mqtt);
  // It keeps messages for those alone who have subscribed.
  for (const name of names) {
    const wire = await Wire.open(target);
    await mqtt.signIn(wire, name, true);
    wire.close();
  }
  return server;
}

async function startProsody(
  folder: string,
  names: readonly string[],
  settings: readonly string[],
): Promise<PeerServer> {
  const { target, certificate, key } = await newIdentity(folder);
  const config = join(folder, "prosody.cfg.lua");
  await Deno.writeTextFile(
    config,
    lines(
      "run_as_root = true",
      `data_path = "${folder}"`,
      `pidfile = "${folder}/prosody.pid"`,
      'interfaces = { "127.0.0.1" }',
      "c2s_ports = {}",
      "s2s_ports = {}",
      `c2s_direct_tls_ports = { ${target.port} }`,
      `c2s_direct_tls_ssl = { certificate = "${certificate}"; key = "${key}" }`,
      'modules_enabled = { "saslauth", "tls", "offline", "smacks", "presence", "message", "iq", "c2s", "register_ibr", "posix" }',
      'modules_disabled = { "s2s", "limits" }',
      "allow_registration = true",
      'authentication = "internal_plain"',
      "smacks_max_queue_size = 1000000",
      "storage_archive_item_limit = 1000000000", // messages that wait for one recipient: 10,000 as installed
      'log = { warn = "*console" }',
      ...settings,
      `VirtualHost "${CERTIFICATE_NAME}"`,
    ),
  );
  const server = await running("prosody", ["--config", config, "-F"], {}, target, xmpp);
  return await withAccounts(server, names);
}

async function startEjabberd(folder: string, names: readonly string[]): Promise<PeerServer> {
  const { target, certificate, key } = await newIdentity(folder);
  const both = join(folder, "both.pem");
  await Deno.writeTextFile(both, await Deno.readTextFile(certificate) + await Deno.readTextFile(key));
  const config = join(folder, "ejabberd.yml");
  await Deno.writeTextFile(
    config,
    lines(
      `hosts: [${CERTIFICATE_NAME}]`,
      "loglevel: error",
      `certfiles: ["${both}"]`,
      "default_db: sql",
      "sql_type: sqlite",
      `sql_database: "${folder}/ejabberd.sqlite"`,
      "auth_method: [internal]",
      "registration_timeout: infinity",
      "c2s_cafile: /etc/ssl/certs/ca-certificates.crt",
      "listen:",
      `  - { port: ${target.port}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_fsm_queue: 1000000, backlog: 128 }`,
      "access_rules: { register: { allow: all } }",
      "shaper_rules: { offline: { infinity: all } }",
      "modules:",
      "  mod_offline: { access_max_user_messages: offline }",
      "  mod_register: { access: register, ip_access: all, allow_modules: all }",
      "  mod_stream_mgmt: { max_ack_queue: infinity }",
    ),
  );
  const folders = await Array.fromAsync(Deno.readDir("/usr/lib"));
  const libraries = folders.find(({ name }) => name.endsWith("-linux-gnu"));
  const args = [
    "-noinput",
    "+K",
    "true",
    "+P",
    "250000",
    "-mnesia",
    "dir",
    `"${folder}/mnesia"`,
    "-s",
    "ejabberd",
  ];
  const env = {
    ERL_LIBS: `/usr/lib/${libraries!.name}`,
    EJABBERD_CONFIG_PATH: config,
    EJABBERD_LOG_PATH: join(folder, "ejabberd.log"),
    HOME: folder,
  };
  const server = await running("erl", args, env, target, xmpp);
  return await withAccounts(server, names);
}

/** A key and certificate in files of the folder, and where the server is to listen. */
async function newIdentity(folder: string): Promise<{ target: Target; certificate: string; key: string }> {
  const certificate = join(folder, "server.crt");
  const key = join(folder, "server.key");
  // Not our own way to make one: ejabberd cannot count the days to the end of a certificate without an end.
  const what = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "30",
  ];
  const about = ["-subj", `/CN=${CERTIFICATE_NAME}`, "-addext", `subjectAltName=DNS:${CERTIFICATE_NAME}`];
  const use = ["-addext", "basicConstraints=critical,CA:FALSE"];
  const { code, stderr } = await runProgram("openssl", [
    ...what,
    ...about,
    ...use,
    "-keyout",
    key,
    "-out",
    certificate,
  ]);
  if (code !== 0) throw new Error(`openssl made no certificate:\n${stderr}`);
  const certificatePem = await Deno.readTextFile(certificate);
  return { target: { port: freePort(), certificatePem }, certificate, key };
}

async function running(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  target: Target,
  dialect: Dialect,
): Promise<PeerServer> {
  const program = new Program(command, args, { env, name: command });
  const until = performance.now() + READY_WITHIN_MS;
  for (;;) {
    try {
      (await Wire.open(target)).close();
      break;
    } catch (error) {
      if (performance.now() > until || program.hasEnded) {
        await program[Symbol.asyncDispose]();
        throw new Error(`${command} does not serve: ${error}\n${program.transcript.slice(-2_000)}`);
      }
      await sleep(TRY_EVERY_MS);
    }
  }
  return { target, dialect, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

async function withAccounts(server: PeerServer, names: readonly string[]): Promise<PeerServer> {
  const left = [...names];
  const registerSome = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const wire = await Wire.open(server.target);
      await registerXmpp(wire, name);
      wire.close();
    }
  };
  try {
    await Promise.all(Array.from({ length: REGISTER_AT_ONCE }, registerSome));
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

function lines(...all: readonly string[]): string {
  return all.join("\n") + "\n";
}
