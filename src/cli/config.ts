/** `narthex config check`: what a configuration file would make. */
import { explainConfig, explainedLines } from '../composition/config/explainConfig.ts';
import { NarthexError } from '../errors.ts';
import { type Command, ExitCode } from './command.ts';
import { readConfigFile } from './configFile.ts';

/** The command. */
export const config: Command = {
  name: 'config',
  summary: 'check a configuration file, and tell what it would make',
  usage: 'check FILE [--json]',
  help: [
    'Reads the file and the files that it names, and tells what narthex serve --config FILE would make',
    'of it, or what is wrong, with its line. Nothing is opened, made or asked.',
    '',
    '  --json        the same as data',
  ].join('\n'),
  options: {},

  async run({ stdout }, values, positionals) {
    const [action, file, ...others] = positionals;
    if (action !== 'check' || file === undefined || others.length > 0) {
      throw new NarthexError('USAGE', 'config check takes the name of one file');
    }
    const read = await readConfigFile(file);
    const parts = explainConfig(read);
    const text =
      values['json'] === true
        ? JSON.stringify(parts, undefined, 2)
        : explainedLines(parts).join('\n');
    stdout.write(`${text}\n`);
    return ExitCode.Done;
  },
};
