/**
 * What the system says of processes and of the machine.
 * @module
 */

/** A file below `/proc`, read by `cat`: Deno itself may read there only with all permissions. Empty when it is not there. */
export async function readProc(path: string): Promise<string> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${path}`], stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

/** Resident memory of a process, in KiB. */
export async function residentKib(pid: number): Promise<number> {
  if (Deno.build.os === "linux") {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(await readProc(`${pid}/status`))?.[1]);
  }
  if (Deno.build.os === "windows") {
    const args = ["/NH", "/FO", "CSV", "/FI", `PID eq ${pid}`];
    const { stdout } = await new Deno.Command("tasklist", { args }).output();
    // The last field is `12,345 K`, with whatever parts thousands there; in Wine of two bytes a character.
    return Number(
      /"([^"]*)"\s*$/.exec(new TextDecoder().decode(stdout).replaceAll("\0", ""))?.[1]?.replace(/\D/g, ""),
    );
  }
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", String(pid)] }).output();
  return Number(new TextDecoder().decode(stdout));
}

const TICK_MS = 10; // of processor times, on every Linux that Deno runs on

/** Processor time that a process has used, all threads and the system's share together, in milliseconds; undefined where the system does not say. */
export async function processorMs(pid: number): Promise<number | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  // Behind the name, which may hold anything: the 12th and 13th field are the times in user and in system mode.
  const fields = (await readProc(`${pid}/stat`)).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** What the maker calls the processor; the architecture where the system does not say. */
export async function processorName(): Promise<string> {
  if (Deno.build.os !== "linux") return Deno.build.arch;
  return /^model name\s*:\s*(.+)$/m.exec(await readProc("cpuinfo"))?.[1] ?? Deno.build.arch;
}
