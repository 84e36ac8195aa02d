import { ValidationPipe } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { FastifyError, FastifyReply, FastifyServerOptions } from 'fastify';
import { AdminErrorsFilter } from './admin-errors.filter.js';

const MAX_PATH_PARAMETER = 1_024; // a room id of 255 bytes, each percent-encoded

/** What the FastifyAdapter of the admin listener is made with. */
export const ADMIN_HTTP: Pick<FastifyServerOptions, 'forceCloseConnections' | 'frameworkErrors' | 'routerOptions'> = {
  forceCloseConnections: true,
  routerOptions: { maxParamLength: MAX_PATH_PARAMETER },
  // A path that is none never reaches Nest and its filter.
  frameworkErrors: ({ statusCode = 400 }: FastifyError, _request, reply) => {
    const answer = { errcode: 'M_UNRECOGNIZED', error: 'the path is malformed or too long' };
    void (reply as unknown as FastifyReply).code(statusCode).send(answer);
  },
};

export function adminDocument(app: NestFastifyApplication): OpenAPIObject {
  const description = 'Every error is `{errcode, error}` with a sentence for the admin.';
  const options = new DocumentBuilder()
    .setTitle('Causeway admin API')
    .setDescription(description)
    .setVersion('1')
    .addBearerAuth()
    .build();
  return SwaggerModule.createDocument(app, options);
}

/** What the admin listener needs beyond its controllers: validation, errors, the OpenAPI document. */
export function setUpAdmin(app: NestFastifyApplication): void {
  app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }));
  app.useGlobalFilters(new AdminErrorsFilter());
  SwaggerModule.setup('_causeway', app, () => adminDocument(app), {
    ui: false,
    raw: ['json'],
    jsonDocumentUrl: '_causeway/openapi.json',
  });
}
