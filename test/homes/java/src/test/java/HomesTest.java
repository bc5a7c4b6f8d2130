import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.URI;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.localstack.LocalStackContainer;
import org.testcontainers.utility.DockerImageName;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsClient;

/** Testcontainers for Java: a generic container of our image, and the LocalStack module as it is with our image in it. */
class HomesTest {
  static final String IMAGE = System.getenv("OBIDOS_IMAGE");

  static void play(URI endpoint, String region, String key, String secret) {
    try (SqsClient sqs = SqsClient.builder().endpointOverride(endpoint).region(Region.of(region))
        .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(key, secret))).build()) {
      String queue = sqs.createQueue(b -> b.queueName("homes")).queueUrl();
      sqs.sendMessage(b -> b.queueUrl(queue).messageBody("hello"));
      var got = sqs.receiveMessage(b -> b.queueUrl(queue).waitTimeSeconds(5)).messages();
      assertEquals("hello", got.get(0).body());
      sqs.deleteMessage(b -> b.queueUrl(queue).receiptHandle(got.get(0).receiptHandle()));
      sqs.deleteQueue(b -> b.queueUrl(queue));
    }
  }

  @Test
  void genericContainer() {
    try (GenericContainer<?> plain = new GenericContainer<>(DockerImageName.parse(IMAGE)).withExposedPorts(4566)) {
      plain.start();
      play(URI.create("http://" + plain.getHost() + ":" + plain.getMappedPort(4566)), "us-east-1", "test", "test");
    }
  }

  @Test
  void localStackModule() throws Exception {
    DockerImageName image = DockerImageName.parse(IMAGE).asCompatibleSubstituteFor("localstack/localstack");
    try (LocalStackContainer module = new LocalStackContainer(image).withServices(LocalStackContainer.Service.SQS)) {
      module.start();
      play(module.getEndpoint(), module.getRegion(), module.getAccessKey(), module.getSecretKey());
    }
  }
}
