/** Measuring several things in turn, A B C A B C, so that noise meets all of them alike. */

/** One of the things that are compared. */
export interface Contender<Result> {
  readonly name: string;
  run(round: number): Promise<Result>;
}

/** @returns by name, what each gave in each round */
export async function alternate<Result>(
  contenders: readonly Contender<Result>[],
  rounds: number,
  say: (line: string) => void = () => {},
): Promise<Map<string, Result[]>> {
  const results = new Map(contenders.map(({ name }) => [name, [] as Result[]]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      say(`round ${round + 1} of ${rounds}: ${contender.name}`);
      results.get(contender.name)?.push(await contender.run(round));
    }
  }
  return results;
}
