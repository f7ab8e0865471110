/**
 * `node --import tellPackages.mjs …`: when the program ends, the file that `TOLD_PACKAGES` names has the npm
 * packages of which modules were loaded, one a line.
 */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/** @type {Set<string>} */
const packages = new Set();
const PACKAGE = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//;

registerHooks({
  load(url, context, nextLoad) {
    const name = PACKAGE.exec(url)?.[1];
    if (name !== undefined) packages.add(name);
    return nextLoad(url, context);
  },
});
process.on('exit', () => {
  writeFileSync(process.env['TOLD_PACKAGES'] ?? '', [...packages].join('\n'));
});
