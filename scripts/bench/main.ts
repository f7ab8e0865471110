/**
 * `npm run bench`: measures narthex against what Nix does, and prints one table of ratios.
 * docs/performance.md explains it.
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import type { BenchContext } from './benchCase.ts';
import { BenchError } from './benchError.ts';
import { CASES } from './cases/index.ts';
import { Closures } from './data/closures.ts';
import { describeMachine, machineLine } from './machine.ts';
import { Narthex } from './narthex.ts';
import { Nix } from './nix.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { Places } from './places.ts';
import { smoke } from './smoke.ts';
import { StageCosts } from './stages/stageCosts.ts';
import { stageDataOf } from './stages/stageData.ts';
import { type Row, renderTable } from './table.ts';

/** How much of a closure stages are measured on. */
const STAGE_BYTES = 64e6;
const QUICK_STAGE_BYTES = 16e6;
const STAGE_SECONDS = 0.5;
const QUICK_STAGE_SECONDS = 0.2;

function say(line: string): void {
  process.stderr.write(`${new Date().toTimeString().slice(0, 8)} ${line}\n`);
}

/** Ends at once, but leaves no stores behind. */
async function leave(places: Places, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  say(`${signal}: removing what was written`);
  await places[Symbol.asyncDispose]();
  process.exit(128 + constants.signals[signal]);
}

function fail(error: BenchError): void {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}

/** Runs cases. What could be measured before one fails is in `rows`. */
async function runCases(options: BenchOptions, rows: Row[]): Promise<void> {
  const machine = await describeMachine();
  say(machineLine(machine));
  const closures = new Closures(options.workDirectory, say, options.cache);
  await using places = await Places.open(join(options.workDirectory, 'stores'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void leave(places, signal));
  }
  const nix = await Nix.open(await places.freshDirectory());
  const isQuick = options.scale === 'quick';
  let stageCosts: Promise<StageCosts> | undefined;
  const measureStages = async () => {
    say('stages');
    const caches = await closures.mirrored(isQuick ? 'small' : 'usual');
    const data = await stageDataOf(caches, isQuick ? QUICK_STAGE_BYTES : STAGE_BYTES, say);
    const secondsEach = isQuick ? QUICK_STAGE_SECONDS : STAGE_SECONDS;
    const timing = { rounds: options.rounds, secondsEach };
    return await StageCosts.measure(data, () => places.fresh('disk'), timing);
  };
  const context: BenchContext = {
    options,
    processors: machine.processors,
    places,
    closures,
    nix,
    narthex: await Narthex.build(say),
    against: options.against === undefined ? undefined : await Narthex.build(say, options.against),
    stageCosts: () => {
      stageCosts ??= measureStages();
      return stageCosts;
    },
    say,
  };
  for (const one of chosenCases(options)) {
    try {
      for await (const row of one.run(context)) rows.push(row);
    } catch (error) {
      // the others may be measured all the same
      if (!(error instanceof BenchError)) throw error;
      fail(error);
    }
  }
}

function chosenCases({ only }: BenchOptions) {
  const unknown = only.filter((name) => !CASES.some((one) => one.name === name));
  if (unknown.length > 0) {
    const known = CASES.map(({ name }) => name).join(', ');
    throw new BenchError(`there is no case ${unknown.join(', ')}, only ${known}`);
  }
  return only.length === 0 ? CASES : CASES.filter(({ name }) => only.includes(name));
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.help) {
    console.log(`${USAGE}\n\nCases: ${CASES.map(({ name }) => name).join(', ')}`);
    return;
  }
  const rows: Row[] = [];
  try {
    if (options.scale === 'smoke') rows.push(...(await smoke(say)).rows());
    else await runCases(options, rows);
  } finally {
    if (options.json) {
      console.log(JSON.stringify({ machine: await describeMachine(), rows }, undefined, 2));
    } else if (rows.length > 0) {
      console.log(`${machineLine(await describeMachine())}\n\n${renderTable(rows)}`);
    }
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  fail(error);
}
