// The time that everything follows: the video's, or its own where no video plays.
class Clock {
  constructor(picture) {
    this.picture = picture;
    this.end = 0;
    this.rate = 1;
    this.loop = false;
    this.segment = null;
    this.onTick = this.onState = this.onProblem = () => {};
    this._own = 0;
    picture.addEventListener("error", () => this._lost());
    picture.addEventListener("seeked", () => this.onTick());
    picture.addEventListener("ended", () => this._stopAt(this.end));
    picture.addEventListener("loadedmetadata", () => {
      if (this._own > 0) picture.currentTime = this._own;
      this.onTick();
    });
  }
  load(url, end) {
    this.pause();
    this.end = end;
    this.segment = null;
    this._own = 0;
    this.filmed = Boolean(url);
    if (url) this.picture.src = url; else this.picture.removeAttribute("src");
    this.picture.load();
    this.picture.playbackRate = this.rate;
    this.onState();
    this.onTick();
  }
  _lost() {
    if (!this.filmed) return; // taking the source away is an error too, to some browsers
    this._own = this.time;
    this.filmed = false;
    this._since = performance.now();
    this.onProblem();
  }
  get ready() { return this.filmed && this.picture.readyState > 0; }
  get time() {
    if (this.ready) return this.picture.currentTime;
    if (!this.playing || this.filmed) return this._own;
    return this._own + ((performance.now() - this._since) / 1000) * this.rate;
  }
  seek(t) {
    t = Math.min(Math.max(t, 0), this.end);
    this._own = t;
    this._since = performance.now();
    if (this.ready) this.picture.currentTime = t;
    this.onTick();
  }
  play(segment = null) {
    this.segment = segment ?? this.segment;
    const [from, to] = this.segment ? [this.segment.start, this.segment.end] : [0, this.end];
    if (segment || this.time < from - 0.01 || this.time >= to - 0.02) this.seek(from);
    this._own = this.time;
    this._since = performance.now();
    this.playing = true;
    if (this.filmed) this.picture.play().catch((problem) => this._refused(problem));
    this.onState();
    this._run();
  }
  _refused(problem) {
    if (problem.name === "NotAllowedError") this.pause();
  }
  pause() {
    this._own = this.time;
    this.playing = false;
    this.picture.pause();
    this.onState();
  }
  toggle() { if (this.playing) this.pause(); else this.play(); }
  leave() { this.segment = null; this.onState(); this.onTick(); }
  setRate(rate) {
    this._own = this.time;
    this._since = performance.now();
    this.rate = this.picture.playbackRate = rate;
  }
  _run() {
    if (this._running) return;
    this._running = true;
    const step = () => {
      this._running = this.playing;
      if (!this.playing) return;
      const stop = this.segment ? this.segment.end : this.end;
      if (this.time >= stop) this._stopAt(stop);
      this.onTick();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
  _stopAt(stop) {
    if (!this.playing) return;
    if (this.loop) {
      this.seek(this.segment ? this.segment.start : 0);
      if (this.filmed) this.picture.play().catch(() => {});
      return;
    }
    this.pause();
    this.seek(stop);
  }
}
