/**
 * A real Postfix of the test's own: configuration, queue, mailboxes and port in a temporary folder.
 *
 * Submission as providers run it: STARTTLS required, then SASL. The system's Postfix, its configuration and its queue
 * are not touched. Needs root, since Postfix drops rights itself.
 * @module
 */
import { join } from "node:path";
import type { SmtpEndpoint } from "../../lib/mail/providers.ts";
import { sharedAuthority } from "./mail_server.ts";
import { freePort } from "./ports.ts";
import { tempFolder } from "./temp_folder.ts";

/** How long Postfix may take to answer, and a mail to be delivered, in milliseconds. */
const DEADLINE_MS = 20_000;
/** Pause between two looks, in milliseconds. */
const LOOK_EVERY_MS = 25;
/** Largest mail that it takes, in bytes. */
export const POSTFIX_SIZE_LIMIT = 1_000_000;
/** The mail domain that it delivers for. */
export const POSTFIX_DOMAIN = "example.test";

/** Users with a mailbox; they sign in with their name, and `password of NAME`. */
const USERS = ["ann", "bob"] as const;

/** A running Postfix. */
export class TestPostfix implements AsyncDisposable {
  /** Where it takes mail, and the CA to trust. */
  readonly endpoint: SmtpEndpoint;
  readonly #folder: ReturnType<typeof tempFolder>;
  readonly #master: Deno.ChildProcess;

  private constructor(
    folder: ReturnType<typeof tempFolder>,
    master: Deno.ChildProcess,
    endpoint: SmtpEndpoint,
  ) {
    this.#folder = folder;
    this.#master = master;
    this.endpoint = endpoint;
  }

  /** Configures it, starts it, and waits until it answers. */
  static async start(): Promise<TestPostfix> {
    const folder = tempFolder("mini-chat-postfix-");
    const port = freePort();
    const { caPem } = await configure(folder.path, port);
    const master = new Deno.Command("postfix", {
      args: ["-c", join(folder.path, "config"), "start-fg"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const self = new TestPostfix(folder, master, { host: "localhost", port, security: "starttls", caPem });
    await eventually(() => self.#explain("Postfix does not answer"), async () => {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
      return connection !== null;
    });
    return self;
  }

  /** Waits for the next mail in a user's mailbox, and takes it out. */
  async receive(user: typeof USERS[number]): Promise<Uint8Array> {
    const inbox = join(this.#folder.path, "mail", user, "new");
    let mail: Uint8Array | undefined;
    await eventually(() => this.#explain(`no mail arrived for ${user}`), async () => {
      const [item] = await Array.fromAsync(Deno.readDir(inbox)).catch(() => []);
      if (item === undefined) return false;
      mail = await Deno.readFile(join(inbox, item.name));
      await Deno.remove(join(inbox, item.name));
      return true;
    });
    return mail ?? new Uint8Array();
  }

  /** What Postfix wrote into its log. */
  get log(): string {
    try {
      return Deno.readTextFileSync(join(this.#folder.path, "mail.log"));
    } catch {
      return "";
    }
  }

  #explain(what: string): string {
    return `${what}; its log:\n${this.log}`;
  }

  /** Stops it with all its parts. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stop = new Deno.Command("postfix", {
      args: ["-c", join(this.#folder.path, "config"), "stop"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    await stop.output();
    await this.#master.status;
    this.#folder[Symbol.dispose]();
  }
}

/** Writes everything that Postfix reads. */
async function configure(root: string, port: number): Promise<{ caPem: string }> {
  const authority = await sharedAuthority();
  const { cert, key } = await authority.issue("localhost");
  const at = (...parts: string[]) => join(root, ...parts);
  await Deno.chmod(root, 0o755); // Postfix' own user walks through it
  for (const folder of ["config", join("config", "sasl"), "queue", "data", "mail"]) {
    await Deno.mkdir(at(folder), { mode: 0o755 });
  }
  await Deno.writeTextFile(at("cert.pem"), cert);
  await Deno.writeTextFile(at("key.pem"), key, { mode: 0o600 });
  await Deno.writeTextFile(
    at("mailboxes"),
    USERS.map((user) => `${user}@${POSTFIX_DOMAIN} ${user}/\n`).join(""),
  );
  await Deno.writeTextFile(at("config", "main.cf"), mainConfig(root));
  await Deno.writeTextFile(at("config", "master.cf"), MASTER_CONFIG.replace("PORT", String(port)));
  await Deno.writeTextFile(
    at("config", "sasl", "smtpd.conf"), // where Debian's Postfix looks, whatever cyrus_sasl_config_path says
    `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: ${
      at("sasldb2")
    }\n`,
  );
  await run("chown", ["postfix", at("data")]);
  await run("chown", ["nobody", at("mail")]);
  for (const user of USERS) {
    await run(
      "saslpasswd2",
      ["-f", at("sasldb2"), "-c", "-p", "-u", POSTFIX_DOMAIN, user],
      `password of ${user}`,
    );
  }
  await run("chown", ["postfix", at("sasldb2")]);
  return { caPem: authority.caPem };
}

function mainConfig(root: string): string {
  return `compatibility_level = 3.6
queue_directory = ${root}/queue
data_directory = ${root}/data
maillog_file = ${root}/mail.log
maillog_file_prefixes = ${root}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.${POSTFIX_DOMAIN}
mydestination =
mynetworks =
alias_maps =
message_size_limit = ${POSTFIX_SIZE_LIMIT}
virtual_mailbox_domains = ${POSTFIX_DOMAIN}
virtual_mailbox_base = ${root}/mail
virtual_mailbox_maps = texthash:${root}/mailboxes
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = ${root}/cert.pem
smtpd_tls_key_file = ${root}/key.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = ${POSTFIX_DOMAIN}
smtpd_relay_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject
smtpd_tls_loglevel = 1
`;
}

/** Every service that handing in and delivering one mail needs; none in a chroot, and one network port. */
const MASTER_CONFIG = `
127.0.0.1:PORT inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
`;

async function run(command: string, args: readonly string[], input = ""): Promise<void> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function eventually(explain: () => string, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!await look()) {
    if (Date.now() > deadline) throw new Error(explain());
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
