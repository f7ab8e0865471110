/** What a case is, and what it is given. */
import type { Closures } from './data/closures.ts';
import type { Narthex } from './narthex.ts';
import type { Nix } from './nix.ts';
import type { BenchOptions } from './options.ts';
import type { Places } from './places.ts';
import type { StageCosts } from './stages/stageCosts.ts';
import type { Row } from './table.ts';

/** What all cases share. */
export interface BenchContext {
  readonly options: BenchOptions;
  readonly processors: number;
  readonly places: Places;
  readonly closures: Closures;
  readonly nix: Nix;
  readonly narthex: Narthex;
  /** The other checkout, if there is one. */
  readonly against: Narthex | undefined;
  /** The costs of the stages, measured once in a run. */
  stageCosts(): Promise<StageCosts>;
  /** Tells how far it is. */
  say(line: string): void;
}

/** One thing that can be measured by itself. */
export interface BenchCase {
  /** As `--only` has it. */
  readonly name: string;
  /** Measures; what has been measured before it fails counts. */
  run(context: BenchContext): AsyncIterable<Row>;
}
