const FAST = 0.25; // window heights between two frames
const REST = 100; // milliseconds after the last fast frame

/** Tells whether the page is scrolled too fast to look at pictures, also between two fast frames. */
export class ScrollSpeed {
  /** @param {number} y where the page is scrolled to @param {() => void} onRest is called after fast scrolling */
  constructor(y, onRest) {
    this.y = y;
    this.onRest = onRest;
    this.fast = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Notes where a frame is scrolled to. @param {number} y @param {number} height of the window */
  note(y, height) {
    const moved = Math.abs(y - this.y);
    this.y = y;
    if (moved <= FAST * height) return;
    this.fast = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.fast = false;
      this.onRest();
    }, REST);
  }
}
