/** What keeps a benchmark from running, told without a stack: a missing program, a failed command. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
