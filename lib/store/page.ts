/** The first rows, as many as a page holds: at most `limit`, and at most `maxBytes` of text, but at least one. */
export function takePage<Row extends { readonly bytes: number }>(
  rows: Iterable<Row>,
  { limit, maxBytes }: { readonly limit: number; readonly maxBytes: number },
): { readonly page: Row[]; readonly hasMore: boolean } {
  const page: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += row.bytes;
    if (page.length === limit || (bytes > maxBytes && page.length > 0)) return { page, hasMore: true };
    page.push(row);
  }
  return { page, hasMore: false };
}
