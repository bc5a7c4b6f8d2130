import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.*;

/** The SQS scenario with the AWS SDK for Java v2. */
public class Sqs {
  static void check(boolean ok, String what) {
    if (!ok) throw new AssertionError("not so: " + what);
  }

  public static void main(String[] args) throws Exception {
    String tag = args[0];
    try (SqsClient sqs = SqsClient.create()) {
      String queue = sqs.createQueue(b -> b.queueName("e2e-" + tag).tags(Map.of("team", "e2e"))).queueUrl();
      check(sqs.getQueueUrl(b -> b.queueName("e2e-" + tag)).queueUrl().equals(queue), "the URL is found");
      sqs.sendMessage(b -> b.queueUrl(queue).messageBody("hello & <goodbye>").messageAttributes(Map.of(
          "text", MessageAttributeValue.builder().dataType("String").stringValue("ünïcødé").build(),
          "bytes", MessageAttributeValue.builder().dataType("Binary").binaryValue(SdkBytes.fromByteArray(new byte[] {0, 1, -1})).build())));
      Message m = receive(sqs, queue, 1, 0).get(0);
      check(m.body().equals("hello & <goodbye>") && m.messageAttributes().get("bytes").binaryValue().asByteArray()[2] == -1, "the message arrives as it was sent");
      String handle = m.receiptHandle();
      sqs.changeMessageVisibility(b -> b.queueUrl(queue).receiptHandle(handle).visibilityTimeout(0));
      Message again = receive(sqs, queue, 1, 0).get(0);
      check(again.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT).equals("2"), "it comes back");
      sqs.deleteMessage(b -> b.queueUrl(queue).receiptHandle(again.receiptHandle()));
      check(receive(sqs, queue, 1, 0).isEmpty(), "deleted is gone");

      List<SendMessageBatchRequestEntry> entries = new ArrayList<>();
      for (int i = 0; i < 10; i++) entries.add(SendMessageBatchRequestEntry.builder().id("" + i).messageBody("m" + i).build());
      check(sqs.sendMessageBatch(b -> b.queueUrl(queue).entries(entries)).successful().size() == 10, "ten are sent at once");
      HashSet<String> seen = new HashSet<>();
      while (seen.size() < 10) {
        for (Message got : receive(sqs, queue, 10, 2)) {
          seen.add(got.body());
          sqs.deleteMessage(b -> b.queueUrl(queue).receiptHandle(got.receiptHandle()));
        }
      }
      try {
        sqs.sendMessageBatch(b -> b.queueUrl(queue).entries(entries.get(0), entries.get(0)));
        check(false, "two entries with one id are refused");
      } catch (BatchEntryIdsNotDistinctException e) {
        check(e.statusCode() == 400, "with AWS's status");
      }

      String fifo = sqs.createQueue(b -> b.queueName("e2e-" + tag + ".fifo").attributes(Map.of(QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"))).queueUrl();
      for (String body : List.of("one", "two", "two", "three")) sqs.sendMessage(b -> b.queueUrl(fifo).messageBody(body).messageGroupId("g"));
      check(receive(sqs, fifo, 10, 0).stream().map(Message::body).toList().equals(List.of("one", "two", "three")), "a FIFO queue keeps order");
      sqs.deleteQueue(b -> b.queueUrl(fifo));

      CompletableFuture<?> later = CompletableFuture.runAsync(() -> sqs.sendMessage(b -> b.queueUrl(queue).messageBody("woken")), CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS));
      check(receive(sqs, queue, 1, 10).get(0).body().equals("woken"), "a long poll is woken");
      later.get();
      sqs.purgeQueue(b -> b.queueUrl(queue));
      sqs.deleteQueue(b -> b.queueUrl(queue));
      try {
        sqs.getQueueUrl(b -> b.queueName("e2e-" + tag));
        check(false, "a deleted queue is gone");
      } catch (QueueDoesNotExistException e) {
        check(e.awsErrorDetails().errorCode().endsWith("NonExistentQueue"), "by AWS's code: " + e.awsErrorDetails().errorCode());
      }
    }
    System.out.println("ok: Java SDK v2");
  }

  static List<Message> receive(SqsClient sqs, String queue, int most, int wait) {
    return sqs.receiveMessage(b -> b.queueUrl(queue).maxNumberOfMessages(most).waitTimeSeconds(wait)
        .messageAttributeNames("All").messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages();
  }
}
