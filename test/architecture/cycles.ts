/** Cycles in a graph of files. */

/**
 * One cycle for each group of nodes that reach each other, as the path from a node back to itself.
 * @param edges every node with the nodes it leads to
 */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const covered = new Set<string>();
  for (const start of edges.keys()) {
    if (covered.has(start)) continue;
    const cycle = shortestPathBack(edges, start);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const node of cycle) covered.add(node);
  }
  return cycles;
}

/** Breadth first from `start` until an edge leads back to it. */
function shortestPathBack(
  edges: ReadonlyMap<string, readonly string[]>,
  start: string,
): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[start, undefined]]);
  const queue = [start];
  for (const node of queue) {
    for (const next of edges.get(node) ?? []) {
      if (next === start) {
        const path = [start];
        for (let at: string | undefined = node; at !== undefined; at = cameFrom.get(at)) {
          path.unshift(at);
        }
        return path;
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      queue.push(next);
    }
  }
  return undefined;
}
