import { ValidationPipe } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { AdminErrorsFilter } from './admin-errors.filter.js';

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
