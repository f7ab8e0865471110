/** A set-up that cannot go on, said in one line; `output` is what a tool printed before. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} output
   */
  constructor(message, output = '') {
    super(message);
    this.output = output;
  }
}
