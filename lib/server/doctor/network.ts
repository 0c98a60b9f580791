// Whether people reach the server: its port, this machine's addresses, the name in its links, and how many may be connected.
import { formatHostAndPort, scopeOf } from "../../addresses.ts";
import { messageOf } from "../../errors.ts";
import { addressesOf, dial } from "../../net/dial.ts";
import { VERSION } from "../../version.ts";
import { within } from "../../waiting.ts";
import { reachableAddresses } from "../invites.ts";
import { callServer } from "../live/call.ts";
import { hostsOf } from "../live/where_to_call.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import type { Patient } from "./patient.ts";
import { openFilesLimit, OTHER_FILES } from "./open_files.ts";

const CALL_WITHIN_MS = 5_000;
const REACH_WITHIN_MS = 2_000;

export async function examineServer(patient: Patient): Promise<Finding> {
  const { folder, host, port, running, shownPem } = patient;
  if (!running || shownPem === null) {
    return warning(
      "server",
      `No server runs on data folder ${folder}.`,
      `Start it: mini-chat-server --data ${folder}`,
    );
  }
  try {
    const call = { hosts: hostsOf(host), port, certificatePem: shownPem, timeoutMs: CALL_WITHIN_MS };
    const { host: called, version, helloMs, storeMs } = await callServer(call);
    const seen = `${formatHostAndPort(called, port)} answers in ${helloMs.toFixed(0)} ms, its store in ${
      storeMs.toFixed(0)
    } ms (version ${version}).`;
    if (version === VERSION) return ok("server", seen);
    return warning("server", seen, `Restart it: this program is version ${VERSION}.`);
  } catch (reason) {
    if (patient.hasShut) {
      const seen = `The server runs, but has shut port ${port}, as it cannot use its database.`;
      return error("server", seen, "It opens the port once it can: see the database below.");
    }
    return error("server", `${messageOf(reason)}.`, "Look into its log; if it has died, start it again.");
  }
}

export async function examineReach(patient: Patient): Promise<Finding[]> {
  const { host, port, running } = patient;
  const own = reachableAddresses(host);
  const isOpen = running && !patient.hasShut;
  return [...(isOpen ? [await reach(own, port)] : []), await outside(own, patient), openFiles(patient)];
}

async function reach(own: readonly string[], port: number): Promise<Finding> {
  const attempts = own.map(async (host) => {
    const socket = await dial({ host, port, timeoutMs: REACH_WITHIN_MS });
    socket.close();
  });
  const failed = (await Promise.allSettled(attempts))
    .flatMap((attempt, index) => attempt.status === "rejected" ? [own[index]!] : []);
  if (failed.length === 0) {
    return ok("reach", `Port ${port} is open on ${own.join(", ")}, called from this machine.`);
  }
  const next = `Let TCP port ${port} in through this machine's firewall, and listen on it (--host).`;
  return error("reach", `Port ${port} is not reached on ${failed.join(", ")}.`, next);
}

/** What the invite links name. From this machine nobody can know whether a router or firewall on the way lets callers in. */
async function outside(own: readonly string[], { publicHost, port }: Patient): Promise<Finding> {
  const hasPublic = own.some((address) => scopeOf(address) === "public");
  const host = publicHost ?? own[0]!;
  const fromThere = `To know, type on another network: nc -vz ${host} ${port}`;
  if (publicHost === null) {
    if (hasPublic) {
      return ok(
        "outside",
        `Links name ${host}; whether a firewall lets port ${port} in cannot be known from here.`,
        fromThere,
      );
    }
    const seen = `Links name ${host}, which only this network reaches.`;
    const next =
      `For people elsewhere: forward TCP port ${port} at the router, and start with --public-host NAME.`;
    return warning("outside", seen, next);
  }
  let found: readonly string[];
  try {
    const looking = await within(CALL_WITHIN_MS, addressesOf(publicHost));
    if (looking === undefined) throw new Error("nobody could say in time");
    found = looking;
  } catch (reason) {
    const seen = `${publicHost}, which the links name, has no address: ${messageOf(reason)}.`;
    return error("outside", seen, "Make a DNS entry for it, or correct --public-host.");
  }
  const where = found.join(", ");
  if (found.every((address) => scopeOf(address) === "loopback")) {
    const seen = `The links name ${publicHost}, which only this machine reaches.`;
    return warning("outside", seen, "Give --public-host a name that others reach.");
  }
  if (found.some((address) => own.includes(address))) {
    const seen = `${publicHost} is ${where}, of this machine`;
    return hasPublic
      ? ok(
        "outside",
        `${seen}; whether a firewall lets port ${port} in cannot be known from here.`,
        fromThere,
      )
      : warning("outside", `${seen}, in this network alone.`, "Give --public-host a name that others reach.");
  }
  const seen =
    `${publicHost} is ${where}, not an address of this machine: right if that is a router which forwards TCP ` +
    `port ${port} here. That cannot be known from here.`;
  return warning("outside", seen, fromThere);
}

function openFiles({ pid, maxConnections }: Patient): Finding {
  const limit = openFilesLimit(pid);
  if (limit === null) return ok("files", "How many files a process may open cannot be known on this system.");
  const whose = pid === null ? "A process started here" : "The server";
  const seen = `${whose} may open ${limit} files, for ${maxConnections} connections.`;
  if (limit >= maxConnections + OTHER_FILES) return ok("files", seen);
  const next = `Allow ${
    maxConnections + OTHER_FILES
  } (LimitNOFILE= in the systemd unit, ulimit -n), or lower --max-connections.`;
  return warning("files", seen, next);
}
