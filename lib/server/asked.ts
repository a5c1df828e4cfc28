/**
 * The four ways to ask for pictures: what is drawn, and how the answer is worded. Synchronous calls and jobs with ids share them.
 *
 * @module
 */

import type { GenerateRequest } from "../pipelines/types.ts";
import { ApiError } from "./api_error.ts";
import type { Engine, JobResult } from "./jobs.ts";
import type { FieldTable } from "./known_fields.ts";
import type { Limits } from "./limits.ts";
import { modelNamed, type Models } from "./models.ts";
import {
  EDIT_FIELDS,
  editRequests,
  type FormFiles,
  GENERATION_FIELDS,
  imageRequests,
  imagesAnswer,
  namedModel as openaisModel,
  streamed,
} from "./openai.ts";
import { namedModel as a1111sModel, pictureAnswer, pictureRequests } from "./sdapi.ts";
import { IMG2IMG_FIELDS, TXT2IMG_FIELDS } from "./sdapi_fields.ts";

/** A request for pictures that was read. */
export interface Asked {
  /** The model. */
  readonly engine: Engine;
  /** One a picture. */
  readonly requests: readonly GenerateRequest[];
  /** Pictures on their way that the answer shall stream; undefined: it is one answer. */
  readonly stream?: number;
  /**
   * The answer.
   *
   * @param files Pictures in base64.
   * @param texts Pictures as A1111 describes them.
   */
  answer(result: JobResult, files: readonly string[], texts: readonly string[]): unknown;
}

/** What reading needs. */
export interface Asking {
  /** The models there are. */
  readonly models: Models;
  /** What is drawn with where the request names none. */
  readonly usual: Engine;
  /** Bounds. */
  readonly limits: Limits;
}

/** Names of {@linkcode KINDS}. */
export type KindName = "txt2img" | "img2img" | "generations" | "edits";

/** A way to ask. */
export interface Kind {
  /** Path of the synchronous call. */
  readonly path: string;
  /** What it reads. */
  readonly fields: FieldTable;
  /** Reads a body, and the files of a form where it may be one. */
  read(body: unknown, asking: Asking, files?: FormFiles): Promise<Asked>;
}

function a1111(name: string, fromPicture: boolean): Kind {
  return {
    path: `/sdapi/v1/${name}`,
    fields: fromPicture ? IMG2IMG_FIELDS : TXT2IMG_FIELDS,
    async read(body, { models, usual, limits }) {
      const { name, field } = a1111sModel(body);
      const engine = await modelNamed(models, name, field) ?? usual;
      const { info } = engine;
      const { requests, notes } = pictureRequests(body, info, limits, fromPicture);
      return {
        engine,
        requests,
        answer: (result, files, texts) =>
          pictureAnswer(body, { ...result, warnings: [...notes, ...result.warnings] }, files, texts, info),
      };
    },
  };
}

function openai(name: string, edit: boolean): Kind {
  return {
    path: `/v1/images/${name}`,
    fields: edit ? EDIT_FIELDS : GENERATION_FIELDS,
    async read(body, { models, usual, limits }, files = new Map()) {
      const stream = streamed(body);
      const engine = await modelNamed(models, openaisModel(body), "model") ?? usual;
      return {
        engine,
        requests: edit
          ? editRequests(body, files, engine.info, limits)
          : imageRequests(body, engine.info, limits),
        stream,
        answer({ interrupted, warnings }, files) {
          if (interrupted) throw new ApiError(503, "interrupted", "The request was interrupted");
          return imagesAnswer(files, warnings);
        },
      };
    },
  };
}

/** Every way, by the name that jobs call it by. */
export const KINDS: Readonly<Record<KindName, Kind>> = {
  txt2img: a1111("txt2img", false),
  img2img: a1111("img2img", true),
  generations: openai("generations", false),
  edits: openai("edits", true),
};
