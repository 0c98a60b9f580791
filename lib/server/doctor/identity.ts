// The key and the certificate: that they belong together, how long the certificate is good, and that it is the one shown.
import { join } from "node:path";
import { count } from "../../count.ts";
import { messageOf } from "../../errors.ts";
import { CERTIFICATE_FILE, certificateDates, fingerprintOf, loadIdentity } from "../../net/identity.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import { isThere } from "../data_folder.ts";
import { WHERE_KEYS_ARE } from "../server_key.ts";
import type { Patient } from "./patient.ts";

const DAY_MS = 86_400_000;
const SOON_DAYS = 21;
const FOR_EVER_YEARS = 100;

export async function examineIdentity(patient: Patient, now = Date.now()): Promise<Finding[]> {
  const { certificatePath, keyPath, shownPem } = patient;
  let certificatePem: string;
  try {
    const identity = await loadIdentity(certificatePath, keyPath);
    certificatePem = identity.certificatePem;
    const seen = `Key and certificate belong together: ${identity.fingerprint}.`;
    return [ok("key", seen), dates(certificatePem, now), ...await shown(certificatePem, shownPem)];
  } catch (reason) {
    if (await isMadeAnew(patient)) {
      const seen = `${certificatePath} is gone; clients know the server by its key, which is there.`;
      return [warning("key", seen, "Restart the server: it makes the certificate anew for the same key.")];
    }
    const next = `Put both back: ${WHERE_KEYS_ARE}; with another key every client is warned.`;
    return [error("key", `${messageOf(reason)}.`, next)];
  }
}

/** Whether nothing is lost but what the next start makes. */
async function isMadeAnew({ folder, certificatePath, keyPath }: Patient): Promise<boolean> {
  const isOwn = certificatePath === join(folder, CERTIFICATE_FILE);
  return isOwn && await isThere(keyPath) && !await isThere(certificatePath);
}

function dates(certificatePem: string, now: number): Finding {
  const { from, to } = certificateDates(certificatePem);
  const [begins, ends] = [new Date(from), new Date(to)].map((date) => date.toISOString().slice(0, 10));
  if (from > now) {
    return error(
      "certificate",
      `The certificate is good from ${begins} only.`,
      "Set the clock, or take another one.",
    );
  }
  const days = Math.floor((to - now) / DAY_MS);
  const next = "Renew it with the same key, and restart the server.";
  if (days < 0) return error("certificate", `The certificate ended on ${ends}.`, next);
  if (days < SOON_DAYS) {
    return warning("certificate", `The certificate ends in ${count(days, "day")}, on ${ends}.`, next);
  }
  if (days > FOR_EVER_YEARS * 365) return ok("certificate", "The certificate does not end.");
  return ok("certificate", `The certificate is good until ${ends}, for ${days} days.`);
}

/** Nothing to say while what is shown is what lies there. */
async function shown(certificatePem: string, shownPem: string | null): Promise<Finding[]> {
  if (shownPem === null || shownPem.trim() === certificatePem.trim()) return [];
  const isSameKey = await fingerprintOf(shownPem) === await fingerprintOf(certificatePem);
  if (isSameKey) {
    const seen = "The server still shows the certificate from before it was renewed.";
    return [warning("shown", seen, "Restart the server.")];
  }
  const seen = `The server shows another key than the one on disk: ${await fingerprintOf(shownPem)}.`;
  return [warning("shown", seen, "Put that key back before the next start, or every client is warned.")];
}
