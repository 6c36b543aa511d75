/** A question that changes, and the answer to it: the last one stays while the next is on its way. */

import { signal } from "@preact/signals";
import { type Asked, reportProblem, resolveProblem } from "./problems";

export interface Question {
  /** What it is about. */
  subject: string;
  /** Where this is the same too, so is the answer. */
  asked: string;
}

interface Answered<Asking, Answer> {
  question: Asking;
  answer: Answer;
}

export class LatestAnswer<Asking extends Question, Answer> {
  private readonly last = signal<Answered<Asking, Answer> | null>(null);
  private wanted: Asking | null = null;
  private running: { subject: string; controller: AbortController } | null = null;

  /** `fetchAnswer` asks the server; what goes wrong is reported under the name of the route. */
  constructor(
    private readonly route: Asked,
    private readonly fetchAnswer: (question: Asking, signal: AbortSignal) => Promise<Answer>,
  ) {}

  get value(): Answered<Asking, Answer> | null {
    return this.last.value;
  }

  isOf(question: Question): boolean {
    return this.last.value?.question.asked === question.asked;
  }

  /** Asks what has no answer yet; null: nothing is wanted. An effect that calls it runs again once an answer has come. */
  want(question: Asking | null): void {
    this.wanted = question;
    if (question === null || this.isOf(question)) resolveProblem(this.route);
    // What is on its way may still come: an answer is dear, and whoever left may be back in a moment.
    if (question === null) return;
    // Steps that come, or are gone through, faster than answers must not keep every answer from coming.
    if (this.running?.subject === question.subject) return;
    this.running?.controller.abort();
    this.running = null;
    if (!this.isOf(question)) void this.load(question);
  }

  private async load(question: Asking): Promise<void> {
    const own = { subject: question.subject, controller: new AbortController() };
    this.running = own;
    try {
      const answer = await this.fetchAnswer(question, own.controller.signal);
      if (this.running !== own) return;
      this.running = null;
      resolveProblem(this.route);
      // What was asked in between must not take the place of the answer that is wanted again.
      if (this.wanted === null || !this.isOf(this.wanted)) this.last.value = { question, answer };
    } catch (error) {
      if (this.running !== own) return;
      this.running = null;
      // What went wrong with a question that no one has any more concerns no one.
      if (this.wanted !== null) reportProblem(this.route, error);
    }
  }
}
