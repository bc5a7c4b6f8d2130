package cloud.obidos.testcontainers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsClient;

@EnabledIfEnvironmentVariable(named = "OBIDOS_IMAGE", matches = ".+", disabledReason = "OBIDOS_IMAGE names no image: make e2e builds one")
class ObidosContainerTest {
  @Test
  void messageComesBackWhenItsTimeIsOver() {
    try (ObidosContainer obidos = new ObidosContainer(System.getenv("OBIDOS_IMAGE"))) {
      obidos.start();
      try (SqsClient sqs = SqsClient.builder().endpointOverride(obidos.getEndpoint()).region(Region.of(obidos.getRegion()))
          .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(obidos.getAccessKey(), obidos.getSecretKey()))).build()) {
        String queue = sqs.createQueue(b -> b.queueName("orders")).queueUrl();
        sqs.sendMessage(b -> b.queueUrl(queue).messageBody("hello"));
        assertEquals(1, sqs.receiveMessage(b -> b.queueUrl(queue)).messages().size());
        assertEquals(0, sqs.receiveMessage(b -> b.queueUrl(queue)).messages().size(), "it is invisible");
        obidos.advance(Duration.ofSeconds(31));
        assertEquals("hello", sqs.receiveMessage(b -> b.queueUrl(queue)).messages().get(0).body());
        obidos.reset();
        assertEquals(0, sqs.listQueues().queueUrls().size());
      }
    }
  }
}
