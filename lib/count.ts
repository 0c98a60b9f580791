/** A number of things in words: `1 message`, `2 messages`, `0 people` where the plural is given. */
export function count(number: number, thing: string, plural = `${thing}s`): string {
  return `${number} ${number === 1 ? thing : plural}`;
}

/** The messages of a survey: `2 messages`, or `about 30100000 messages`, of which three digits say all that is known. */
export function countMessages(
  { messages, isEstimated }: { readonly messages: number; readonly isEstimated: boolean },
): string {
  return isEstimated
    ? `about ${count(Number(messages.toPrecision(3)), "message")}`
    : count(messages, "message");
}
