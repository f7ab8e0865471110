/**
 * Makes src/castore/gearScanBinary.ts out of src/castore/gearScan.wat:
 *
 *     node scripts/assemble-gear-scan.ts
 *
 * Needs the development dependencies. test/castore/gearScan.test.ts says when it is not up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';

const FOLDER = join(import.meta.dirname, '../src/castore');
const TEXT = 'gearScan.wat';
const MODULE = 'gearScanBinary.ts';
const LINE_LENGTH = 90;

/** The text of the module. */
export async function assembleGearScan(): Promise<string> {
  const { parseWat } = await wabt();
  const parsed = parseWat(TEXT, readFileSync(join(FOLDER, TEXT), 'utf8'));
  const base64 = Buffer.from(parsed.toBinary({}).buffer).toString('base64');
  parsed.destroy();
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  return [
    `/** \`${TEXT}\` in base64, by \`scripts/assemble-gear-scan.ts\`. */`,
    'export const GEAR_SCAN_BINARY =',
    `${lines.map((line) => `  '${line}'`).join(' +\n')};`,
    '',
  ].join('\n');
}

if (import.meta.main) writeFileSync(join(FOLDER, MODULE), await assembleGearScan());
