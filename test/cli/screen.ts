/**
 * A terminal's screen: what people see of what a program writes. It knows what our display uses, as
 * ECMA-48 and xterm have it, and throws on all else.
 */

const SEQUENCE = /\x1b\[(?<count>\d*)(?<command>[A-Za-z])|(?<control>[\x00-\x1f\x7f])/y;

/** A screen of a fixed size. Lines that leave it at the top are kept in {@link scrolled}. */
export class Screen {
  readonly columns: number;
  readonly rows: number;
  /** Lines that were scrolled out. */
  readonly scrolled: string[] = [];
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** What is on it, without empty lines at the end. */
  get text(): string {
    return this.#lines
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd();
  }

  /** Where the cursor is, from 0. */
  get cursor(): { readonly row: number; readonly column: number } {
    return { row: this.#row, column: this.#column };
  }

  /** Takes what a program writes; a line feed is CR LF, as terminals make it. */
  write(text: string): boolean {
    for (let at = 0; at < text.length; ) {
      SEQUENCE.lastIndex = at;
      const groups = SEQUENCE.exec(text)?.groups;
      if (groups === undefined) {
        this.#put(text[at] ?? '');
        at += 1;
        continue;
      }
      this.#obey(groups['command'] ?? groups['control'] ?? '', groups['count'] ?? '');
      at = SEQUENCE.lastIndex;
    }
    return true;
  }

  #put(character: string): void {
    // behind the last column the next character goes to the next line
    if (this.#column === this.columns) this.#newLine();
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column += 1;
  }

  #obey(command: string, count: string): void {
    switch (command) {
      case '\n':
        this.#newLine();
        break;
      case '\r':
        this.#column = 0;
        break;
      case 'A':
        this.#row = Math.max(0, this.#row - Number(count || 1));
        break;
      case 'K':
        this.#lines[this.#row] = (this.#lines[this.#row] ?? '').slice(0, this.#column);
        break;
      case 'J':
        this.#lines[this.#row] = (this.#lines[this.#row] ?? '').slice(0, this.#column);
        this.#lines.length = this.#row + 1;
        break;
      default:
        throw new Error(`the screen does not know ${JSON.stringify(command)}`);
    }
  }

  #newLine(): void {
    this.#column = 0;
    this.#row += 1;
    if (this.#row === this.rows) {
      this.scrolled.push(...this.#lines.splice(0, 1));
      this.#row -= 1;
    }
    this.#lines[this.#row] ??= '';
  }
}
